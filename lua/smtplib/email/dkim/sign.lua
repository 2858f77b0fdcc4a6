-- Signing with DKIM: which fields, which keys, in which order. The bytes signed
-- are those of m:source(), which is what will be sent.

local core = require "smtplib.core"
local errors = require "smtplib.errors"
local misuse = require "smtplib.misuse"
local reading = require "smtplib.email.dkim.reading"

local dkim, message = core.dkim, core.message

local sign = {}

local FUNC = "sign_dkim"

local option_types = {
  domain = "string", selector = "string", key = "string", key_password = "string", algorithm = "string",
  canonicalization = "string", headers = "table", identity = "string", time = "number", expire_in = "number",
}

local kinds = { ["rsa-sha256"] = "rsa", ["ed25519-sha256"] = "ed25519" }

-- RFC 6376 section 5.4.1, RFC 8058 for one-click unsubscription. Signed once more
-- than they occur, so that none can be added: those `always`, even when absent.
local default_headers = {
  { "From", "always" }, { "To", "always" }, { "Cc", "always" }, { "Subject", "always" }, { "Date", "always" },
  { "Message-ID", "always" }, { "Reply-To", "always" }, { "MIME-Version", "always" },
  { "Content-Type", "always" }, { "Content-Transfer-Encoding", "always" },
  { "Sender" }, { "Content-ID" }, { "Content-Description" }, { "Content-Disposition" }, { "In-Reply-To" },
  { "References" }, { "List-Id" }, { "List-Help" }, { "List-Unsubscribe" }, { "List-Unsubscribe-Post" },
  { "List-Subscribe" }, { "List-Post" }, { "List-Owner" }, { "List-Archive" }, { "Auto-Submitted" },
  { "Resent-Date", "once" }, { "Resent-From", "once" }, { "Resent-Sender", "once" }, { "Resent-To", "once" },
  { "Resent-Cc", "once" }, { "Resent-Message-ID", "once" },
}

-- What changes on the way, or is taken out before.
local unsignable = {
  ["return-path"] = true, received = true, bcc = true, ["resent-bcc"] = true, ["dkim-signature"] = true,
}

-- Options.

local function check_headers(headers)
  if not misuse.is_array(headers) then misuse.argument("headers", FUNC, "an array without holes expected") end
  for _, name in ipairs(headers) do
    if type(name) ~= "string" then
      misuse.argument("headers", FUNC, "an array of strings expected, got a " .. type(name))
    end
    if unsignable[name:lower()] then misuse.argument("headers", FUNC, name .. " cannot be signed") end
  end
end

local function check_time(value, name)
  if value and not (value >= 0 and value < 1e12) then
    misuse.argument(name, FUNC, "seconds expected, got " .. tostring(value))
  end
end

local function check(opts)
  misuse.check(opts, "table", "options", FUNC)
  for name, value in pairs(opts) do
    if not option_types[name] then misuse.raise(("unknown option '%s'"):format(tostring(name))) end
    misuse.check(value, option_types[name], name, FUNC)
  end
  for _, name in ipairs { "domain", "selector", "key" } do misuse.check(opts[name], "string", name, FUNC) end
  if opts.algorithm and not kinds[opts.algorithm] then
    misuse.argument("algorithm", FUNC, "'rsa-sha256' or 'ed25519-sha256' expected")
  end
  if opts.canonicalization and not reading.canonicalization(opts.canonicalization) then
    misuse.argument("canonicalization", FUNC, "'relaxed/relaxed', 'relaxed/simple', 'simple/…' expected")
  end
  if opts.headers then check_headers(opts.headers) end
  check_time(opts.time, "time")
  check_time(opts.expire_in, "expire_in")
end

-- One table of options, or an array of them.
local function list_of(opts)
  misuse.check(opts, "table", "options", FUNC)
  if opts[1] == nil then return { opts } end
  if not misuse.is_array(opts) then misuse.argument("options", FUNC, "an array without holes expected") end
  return opts
end

-- Signers.

local function refused(name, sentence)
  return errors.from_core(name, "DKIM: " .. sentence)
end

local function read_key(opts)
  local key, name, sentence = dkim.key(opts.key, opts.key_password)
  if not key then return nil, refused(name, sentence) end
  if opts.algorithm and kinds[opts.algorithm] ~= key:kind() then
    return nil, refused("argument", ("the key is of kind %s, the algorithm %s"):format(key:kind(), opts.algorithm))
  end
  return key
end

-- A domain in A-labels; what is none is left to the core to refuse.
local function to_ascii(domain)
  return domain:find("[\128-\255]") and core.domain_to_ascii(domain) or domain
end

local function identity_of(identity)
  if not identity then return nil end
  local left, domain = identity:match("^(.*@)(.-)$")
  return left and left .. to_ascii(domain) or identity
end

local function write(s, hash, names)
  return dkim.write(s.key:kind(), s.header, s.body, s.domain, s.selector, s.identity, s.time, s.expiry, hash, names)
end

-- Names as they are given; an empty one, or two in one, would be misread in h=.
local function names_given(headers)
  for _, name in ipairs(headers or {}) do
    if name == "" or name:find(":", 1, true) then return nil end
  end
  return table.concat(headers or {}, ":")
end

--- What is known before the message is read, and refused before it is touched.
local function prepare(opts)
  local key, err = read_key(opts)
  if not key then return nil, err end
  local time = math.floor(opts.time or os.time())
  local s = {
    key = key, domain = to_ascii(opts.domain), selector = to_ascii(opts.selector),
    identity = identity_of(opts.identity), headers = opts.headers,
    time = time, expiry = opts.expire_in and time + math.ceil(opts.expire_in) or nil,
  }
  s.header, s.body = reading.canonicalization(opts.canonicalization or "relaxed/relaxed")
  local given = names_given(opts.headers)
  if not given then return nil, refused("header", "a header to be signed has no valid name") end
  local ok, name, sentence = write(s, ("\0"):rep(32), given ~= "" and given or "From")
  if not ok then return nil, refused(name, sentence) end
  return s
end

-- The message.

-- A body that cannot be read again would be gone when the message is sent.
local function check_repeatable(m)
  local kind, count = message.body(m)
  if kind == "parts" then
    for i = 1, count do
      local ok, err = check_repeatable(message.data(m)[i])
      if not ok then return nil, err end
    end
  elseif kind == "fed" then
    local source = message.data(m).source
    if type(source) == "function" or (io.type(source) == "file" and not source:seek()) then
      return nil, refused("source", "a content's source that can be read only once cannot be signed and sent")
    end
  end
  return true
end

-- RFC 5322 section 3.6: what sending would add. Returns what went wrong, or nil,
-- and the names of what was added.
local function complete(m, domain)
  local utils = require "smtplib.email.utils"
  local added = {}
  local function add(name, make)
    if message.get(m, name) then return true end
    local value, err = make()
    if not value then return nil, err end
    local ok, why, sentence = message.add(m, name, value)
    if not ok then return nil, errors.from_core(why, sentence) end
    added[#added + 1] = name
    return true
  end
  local function make_id()
    local from = utils.getaddresses(message.get_all(m, "From"))
    local addr = from and from[1] and (from[1].addr or from[1][2]) or ""
    return utils.make_msgid(nil, addr:match("@([^@]*)$") or domain)
  end
  local ok, err = add("Date", function() return utils.formatdate(nil, true) end)
  if ok then ok, err = add("Message-ID", make_id) end
  if ok then ok, err = add("MIME-Version", function() return "1.0" end) end
  return not ok and err or nil, added
end

-- As it will be sent; with UTF-8 in the header only where an address needs it.
local function open(m)
  local source, err = m:source { eol = "\r\n" }
  if source then return source, false end
  source = m:source { eol = "\r\n", utf8 = true }
  if not source then return nil, err end
  return source, true
end

local function read(m, signers)
  local source, utf8 = open(m)
  if not source then return nil, utf8 end
  local reader, err = reading.run(source, function(reader)
    for _, s in ipairs(signers) do
      local ok, why = reading.want(reader, s.body)
      if not ok then return nil, why end
    end
    return true
  end)
  return reader, err or { utf8 = utf8 }
end

local function count_fields(reader)
  local counts = {}
  for i = 1, reader:count() do
    local name = reader:field(i):lower()
    counts[name] = (counts[name] or 0) + 1
  end
  return counts
end

-- Each of the names as often as h= has it.
local function names_of(s, counts)
  local entries, names, seen = default_headers, {}, {}
  if s.headers then
    entries = { { "From", "always" } }
    for _, name in ipairs(s.headers) do entries[#entries + 1] = { name, "always" } end
  end
  for _, entry in ipairs(entries) do
    local name, how = entry[1], entry[2]
    local n = counts[name:lower()] or 0
    if how == "always" or (n > 0 and not how) then n = n + 1 end
    if seen[name:lower()] then n = 0 end
    seen[name:lower()] = true
    for _ = 1, n do names[#names + 1] = name end
  end
  return table.concat(names, ":")
end

-- The whole field.
local function make_field(s, reader, counts)
  local hash, name, sentence = reader:hash(s.body)
  if not hash then return nil, name, sentence end
  local names = names_of(s, counts)
  local field, input, signature
  field, name, sentence = write(s, hash, names)
  if not field then return nil, name, sentence end
  input, name, sentence = reader:input(names, s.header, field)
  if not input then return nil, name, sentence end
  signature, name, sentence = s.key:sign(input)
  if not signature then return nil, name, sentence end
  return field .. dkim.signature(signature)
end

-- The fields, and how the header that they cover was written.
local function make_fields(m, signers)
  local reader, how = read(m, signers)
  if not reader then return nil, how end
  local counts, fields = count_fields(reader), {}
  if counts.from ~= 1 then
    return nil, refused("header", ("the message has %s From field"):format(counts.from and "more than one" or "no"))
  end
  for i, s in ipairs(signers) do
    local field, name, sentence = make_field(s, reader, counts)
    if not field then return nil, refused(name, sentence) end
    fields[i] = field
  end
  return fields, how
end

local function prepend(m, fields, how)
  for i = #fields, 1, -1 do
    local name, value = fields[i]:match("^([^:]*):(.*)$")
    local ok, why, sentence = message.prepend_raw(m, name, value)
    if not ok then return nil, refused(why, sentence) end
  end
  message.data(m).signed = how
  return m
end

--- See Message:sign_dkim.
---@return userdata|nil message
---@return table|nil err
function sign.sign(m, opts)
  if not message.is(m) then misuse.argument("self", FUNC, "Message expected, got " .. type(m)) end
  local list, signers = list_of(opts), {}
  for _, one in ipairs(list) do check(one) end
  for i, one in ipairs(list) do
    local s, err = prepare(one)
    if not s then return nil, err end
    signers[i] = s
  end
  local ok, err = check_repeatable(m)
  if not ok then return nil, err end
  local failure, added = complete(m, signers[1].domain)
  local fields, how
  if not failure then fields, how = make_fields(m, signers) end
  if fields then return prepend(m, fields, how) end
  for _, name in ipairs(added) do message.remove(m, name) end
  return nil, failure or how
end

return sign
