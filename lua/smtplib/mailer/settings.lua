-- The options of a Mailer: those of the SMTP classes, and its own. From them come
-- the hosts to try, each with its port and what TLS is to be there.
local core = require "smtplib.core"
local endpoint = require "smtplib.endpoint"
local hmac = require "smtplib.hmac"
local misuse = require "smtplib.misuse"
local options = require "smtplib.options"
local url = require "smtplib.mailer.url"

local settings = {}

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
    misuse.check(host, "string", "host", "Mailer")
    return { host }
  end
  if #host == 0 or not misuse.is_array(host) then
    misuse.argument("host", "Mailer", "host name or array of host names expected")
  end
  for _, one in ipairs(host) do misuse.check(one, "string", "host", "Mailer") end
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

local contexts, last_context = setmetatable({}, { __mode = "k" }), 0

local function context_name(context)
  if context == nil then return "" end
  if not contexts[context] then
    last_context = last_context + 1
    contexts[context] = tostring(last_context)
  end
  return contexts[context]
end

-- All that makes one connection unlike another, in an order that stays the same.
local function describe(value)
  if type(value) ~= "table" then
    local kind = type(value)
    return kind .. ":" .. (kind == "function" and "" or kind == "userdata" and context_name(value) or tostring(value))
  end
  local names, list = {}, {}
  for name in pairs(value) do names[#names + 1] = tostring(name) end
  table.sort(names)
  for i, name in ipairs(names) do
    local inner = value[name]
    if inner == nil then inner = value[tonumber(name)] end
    list[i] = ("%d:%s=%s"):format(#name, name, describe(inner))
  end
  return "{" .. table.concat(list, ",") .. "}"
end

local secret

-- Names a kind of connection, and tells nothing of passwords.
local function key_of(smtp, host, port, tls, lmtp)
  secret = secret or core.random(32)
  local text = describe { host, port, tls or false, lmtp or false, describe(smtp.context or false),
    describe(smtp.tls_options or false), smtp.user or false, smtp.password or false, describe(smtp.auth or false),
    smtp.local_hostname or false, describe(smtp.source_address or false), smtp.allow_insecure_auth or false,
    describe(type(smtp.transport) == "string" and smtp.transport or false) }
  return hmac.new(secret, text, "sha256"):hexdigest()
end

local function targets_of(given, smtp)
  local targets = {}
  for i, host in ipairs(hosts_of(given)) do
    local name, port = endpoint.parse(host, nil, given.port or default_port(given), "Mailer")
    local tls = tls_of(given, name)
    targets[i] = { host = name, port = port, tls = tls, key = key_of(smtp, name, port, tls, given.lmtp) }
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
    misuse.argument("rate", "Mailer", "messages per second expected")
  end
  result.smtp = options.collect("Mailer", {}, rest)
  result.smtp.username, result.smtp.timeouts = nil, nil
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
