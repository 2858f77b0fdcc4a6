-- The options of a Mailer: those of the SMTP classes, and its own. From them come
-- the hosts to try, each with its port and what TLS is to be there.
local core = require "smtplib.core"
local endpoint = require "smtplib.endpoint"
local hmac = require "smtplib.hmac"
local misuse = require "smtplib.misuse"
local options = require "smtplib.options"
local ssl = require "smtplib.ssl"
local url = require "smtplib.mailer.url"

local settings = {}

-- Options of a Mailer alone; those of a connection are checked by smtplib.options.
local own = {
  pool_size = "number", idle_timeout = "number", max_messages = "number", retries = "number",
  backoff = "number|function", rate = "number", queue = "table", lmtp = "boolean",
}

local function positive(value, name, least)
  if type(value) == "number" and (value ~= value or value < least) then
    misuse.argument(name, "Mailer", ("a number from %g on expected, got %s"):format(least, tostring(value)))
  end
end

local function hosts_of(given)
  local host = given.host
  if type(host) ~= "table" then
    misuse.check(host, "string|table", "host", "Mailer")
    host = { host }
  end
  if #host == 0 or not misuse.is_array(host) then
    misuse.argument("host", "Mailer", "host name or array of host names expected")
  end
  for _, one in ipairs(host) do
    misuse.check(one, "string", "host", "Mailer")
    if one == "" or one:find("[%z\1-\31\127]") then misuse.argument("host", "Mailer", "not a host name") end
  end
  return host
end

local function is_loopback(host)
  local name = host:lower():gsub("%.$", "")
  return endpoint.is_path(host) or name == "localhost" or name:find("%.localhost$") ~= nil or name == "::1"
    or name:find("^127%.%d+%.%d+%.%d+$") ~= nil
end

local function has_login(given)
  return given.user ~= nil or given.auth ~= nil
end

local function default_port(given)
  if given.lmtp then return 2003 end
  if given.tls == "implicit" then return 465 end
  return has_login(given) and 587 or 25
end

local function tls_of(given, host)
  if given.tls ~= nil then return given.tls end
  if is_loopback(host) then return false end
  return has_login(given) and "starttls" or "opportunistic"
end

local numbers, last_number = setmetatable({}, { __mode = "k" }), 0

-- What cannot be told apart by its contents is by a number that no other gets.
local function number_of(value)
  if not numbers[value] then
    last_number = last_number + 1
    numbers[value] = last_number
  end
  return tostring(numbers[value])
end

-- A value in words, in an order that stays the same.
local function describe(value)
  local kind = type(value)
  if kind == "function" or kind == "userdata" then return kind .. number_of(value) end
  if kind ~= "table" then return kind .. ":" .. tostring(value) end
  local list = {}
  for name, inner in pairs(value) do
    local text = describe(inner)
    list[#list + 1] = ("%s:%s=%d:%s"):format(type(name), tostring(name), #text, text)
  end
  table.sort(list)
  return "{" .. table.concat(list, ",") .. "}"
end

local secret

-- Names a kind of connection by all that makes it unlike another, and tells nothing
-- of passwords.
local function key_of(smtp, host, port, tls, lmtp)
  secret = secret or core.random(32)
  local transport = smtp.transport
  if type(transport) == "table" then transport = number_of(transport) end
  local all = {}
  for name, value in pairs(smtp) do all[name] = value end
  all.host, all.port, all.tls, all.lmtp, all.transport = host, port, tls or false, lmtp or false, transport
  return hmac.new(secret, describe(all), "sha256"):hexdigest()
end

-- What a connection would say only when it is made.
local function check_context(smtp)
  if smtp.context and smtp.tls_options then
    misuse.raise("options 'context' and 'tls_options' exclude one another")
  end
  local wanted = smtp.tls_options or smtp.context
  if wanted == nil or ssl.is_context(wanted) then return end
  if type(wanted) ~= "table" then
    misuse.argument("context", "Mailer", "a TLS context or a table of its options expected")
  end
  ssl.check_options(wanted, "Mailer")
end

local function targets_of(given, smtp)
  local targets = {}
  local _, port_of_all = endpoint.parse("any", given.port, default_port(given), "Mailer")
  for i, host in ipairs(hosts_of(given)) do
    local name, port = endpoint.parse(host, nil, port_of_all, "Mailer")
    local tls = tls_of(given, name)
    targets[i] = {
      host = name, port = port, tls = tls, key = key_of(smtp, name, port, tls, given.lmtp),
      name = endpoint.is_path(name) and name or name .. ":" .. port,
    }
  end
  return targets
end

local function merged(...)
  local first, more = ...
  local given = {}
  if type(first) == "string" then
    if more ~= nil then misuse.check(more, "table", "options", "Mailer") end
    for name, value in pairs(url.parse(first)) do given[name] = value end
    first = more or {}
  end
  misuse.check(first, "table", "options", "Mailer")
  for name, value in pairs(first) do given[name] = value end
  return given
end

---@param ... any # a URL and options, or options
---@return table settings # targets; smtp: the options of a connection; and its own
function settings.collect(...)
  local given, rest, result = merged(...), {}, {}
  for name, value in pairs(given) do
    if own[name] then
      misuse.check(value, own[name], name, "Mailer")
      result[name] = value
    elseif name ~= "host" and name ~= "port" then
      rest[name] = value
    end
  end
  if given.port ~= nil then misuse.check(given.port, "number|string", "port", "Mailer") end
  for name, least in pairs { pool_size = 0, idle_timeout = 0, max_messages = 1, retries = 0, backoff = 0 } do
    positive(result[name], name, least)
  end
  if result.rate and (result.rate ~= result.rate or result.rate <= 0) then
    misuse.argument("rate", "Mailer", "messages per second expected, got " .. tostring(result.rate))
  end
  result.smtp = options.collect("Mailer", {}, rest)
  result.smtp.username, result.smtp.timeouts = nil, nil
  check_context(result.smtp)
  local transport = type(result.smtp.transport)
  result.has_one_transport = transport == "table" or transport == "userdata"
  given.user, given.auth = result.smtp.user, result.smtp.auth
  result.targets = targets_of(given, result.smtp)
  result.pool_size = result.pool_size or 5
  result.idle_timeout = result.idle_timeout or 60
  result.max_messages = result.max_messages or 100
  result.retries = result.retries or 0
  result.backoff = result.backoff or 1
  return result
end

return settings
