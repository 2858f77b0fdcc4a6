-- Verifying DKIM signatures, RFC 6376 section 6 as RFC 8301 and 8463 narrow it.
-- Each DKIM-Signature field is judged for itself.

local core = require "smtplib.core"
local misuse = require "smtplib.misuse"
local reading = require "smtplib.email.dkim.reading"
local record = require "smtplib.email.dkim.record"

local dkim, message = core.dkim, core.message

local verify = {}

local SIGNATURES_MAX = 16 -- RFC 6376 section 8.4: each costs a query
local CHUNK = 65536

local kinds = { ["rsa-sha256"] = "rsa", ["ed25519-sha256"] = "ed25519" }

-- Each check returns a reason when the signature fails it. `s` is the signature:
-- its tags, its result, and what the checks learn.

local function check_tags(s)
  for _, name in ipairs { "v", "a", "b", "bh", "d", "h", "s" } do
    if not s.tags[name] or s.tags[name] == "" then return ("the signature has no %s="):format(name) end
  end
  if s.tags.v ~= "1" then return "the signature's version is not 1" end
end

local function check_algorithm(s)
  local name = s.tags.a:lower()
  s.result.algorithm = name
  s.kind = kinds[name]
  if name == "rsa-sha1" then return "rsa-sha1 is not accepted any more (RFC 8301)" end
  if not s.kind then return "the algorithm is not known" end
end

local function check_canonicalization(s)
  s.header, s.body = reading.canonicalization(s.tags.c or "simple/simple")
  if not s.header then return "the canonicalization is not known" end
  s.result.canonicalization = s.header .. "/" .. s.body
end

local function to_ascii(domain)
  local ascii = core.domain_to_ascii(domain)
  return ascii and ascii:lower()
end

local function check_domain(s)
  s.domain, s.selector = to_ascii(s.tags.d), to_ascii(s.tags.s)
  if not s.domain or not s.selector then return "d= or s= is not a domain" end
  s.result.domain, s.result.selector = s.domain, s.selector
end

local function unquote(s)
  return (s:gsub("%s+", ""):gsub("=(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- i= is in d= or below it.
local function check_identity(s)
  local identity = s.tags.i and unquote(s.tags.i) or "@" .. s.domain
  local left, domain = identity:match("^(.*@)([^@]*)$")
  s.agent_domain = left and to_ascii(domain)
  if not s.agent_domain or ("." .. s.agent_domain):sub(-#s.domain - 1) ~= "." .. s.domain then
    return "i= is not within d="
  end
  s.result.identity = left .. s.agent_domain
end

local function check_headers(s)
  local names = {}
  for name in (s.tags.h .. ":"):gmatch("([^:]*):") do names[#names + 1] = name:match("^%s*(.-)%s*$") end
  s.result.headers = names
  if not record.set(s.tags.h).from then return "From is not signed" end
  if s.froms ~= 1 then return "the message has not one From field" end
end

local function number(text)
  return text and text:find("^%d+$") and #text <= 15 and tonumber(text) or nil
end

local function check_times(s)
  local time, expires = number(s.tags.t), number(s.tags.x)
  if (s.tags.t and not time) or (s.tags.x and not expires) then return "t= or x= is not a number" end
  s.result.time, s.result.expires = time, expires
  if expires and time and expires < time then return "the signature expires before it is made" end
  if expires and expires < s.now then return "the signature has expired" end
end

local function check_query(s)
  if s.tags.q and not record.set(s.tags.q)["dns/txt"] then return "the way to the key is not known" end
end

local function check_values(s)
  s.signature, s.hash = record.unbase64(s.tags.b), record.unbase64(s.tags.bh)
  if not s.signature or not s.hash then return "b= or bh= is not base64" end
  s.length = number(s.tags.l)
  if s.tags.l and not s.length then return "l= is not a number" end
  s.result.length = s.length
end

local header_checks = {
  check_tags, check_algorithm, check_canonicalization, check_domain, check_identity, check_headers, check_times,
  check_query, check_values,
}

-- Those that need the body or the key.

-- What l= leaves out could be anything (RFC 6376 section 8.2).
local function check_body(s, reader)
  local hash, length = reader:hash(s.body)
  if not hash then return "the body's hash could not be computed" end
  if s.length and s.length > length then return "l= exceeds the body" end
  if s.length and s.length < length then
    return ("l= leaves %d bytes of the body unsigned"):format(length - s.length)
  end
  if not core.equal(hash, s.hash) then return "the body has been changed" end
end

-- Answers are kept: two signatures may share a key.
local function look_up(s)
  local name = s.selector .. "._domainkey." .. s.domain
  local answer = s.answers[name]
  if not answer then
    local found, err = s.lookup(name)
    answer = { found = found, err = err }
    s.answers[name] = answer
  end
  if answer.found then return answer.found end
  if answer.err == nil then return nil, "there is no key for the signature" end
  s.result.temporary = true
  return nil, "the key could not be looked up: " .. tostring(answer.err)
end

local function check_signature(s, reader)
  local answer, why = look_up(s)
  if not answer then return why end
  local found
  found, why = record.read(answer, s.kind)
  if not found then return why end
  s.result.testing = found.flags.y
  if found.flags.s and s.agent_domain ~= s.domain then return "the key is not for domains below d=" end
  local input, _, sentence = reader:input(s.tags.h, s.header, s.field, s.index)
  if not input then return sentence end
  if not found.key:verifies(input, s.signature) then return "the signature does not match" end
end

local function judge(s, reader)
  s.reason = s.reason or check_body(s, reader) or check_signature(s, reader)
  s.result.ok = s.reason == nil
  s.result.reason = s.reason
  return s.result
end

-- A signature as far as the header tells.
local function begin(s)
  s.tags = dkim.tags((s.field:match(":(.*)$")))
  if not s.tags then return "the signature is no tag list" end
  for _, check in ipairs(header_checks) do
    local why = check(s)
    if why then return why end
  end
end

local function collect(reader, opts)
  local found, froms, answers = {}, 0, {}
  for i = 1, reader:count() do
    local name, field = reader:field(i)
    name = name:lower()
    if name == "from" then froms = froms + 1 end
    if name == "dkim-signature" then
      found[#found + 1] = { field = field, index = i, result = { ok = false }, lookup = opts.key, answers = answers,
        now = opts.time or os.time() }
    end
  end
  for i, s in ipairs(found) do
    s.froms = froms
    if reader:is_malformed() then s.reason = "the message's header is malformed" end
    if i > SIGNATURES_MAX then s.reason = "too many signatures" end
    s.reason = s.reason or begin(s)
  end
  return found
end

-- Arguments.

local function source_of(raw)
  if message.is(raw) then return raw:source(message.data(raw).signed and { eol = "\r\n" } or nil) end
  if type(raw) == "function" then return raw end
  if io.type(raw) == "file" then return function() return raw:read(CHUNK) end end
  misuse.check(raw, "string", "raw", "verify")
  return function()
    local all = raw
    raw = nil
    return all
  end
end

local function check_options(opts)
  misuse.check(opts, "table", "options", "verify")
  for name in pairs(opts) do
    if name ~= "key" and name ~= "time" then misuse.raise(("unknown option '%s'"):format(tostring(name))) end
  end
  misuse.check(opts.key, "function", "key", "verify")
  if opts.time ~= nil then misuse.check(opts.time, "number", "time", "verify") end
end

--- See dkim.verify.
function verify.verify(raw, opts)
  check_options(opts)
  local source, err = source_of(raw)
  if not source then return nil, err end
  local signatures
  local reader
  reader, err = reading.run(source, function(r)
    signatures = collect(r, opts)
    for _, s in ipairs(signatures) do
      local ok, why
      if not s.reason then ok, why = reading.want(r, s.body) end
      if why then return ok, why end
    end
    return true
  end)
  if not reader then return nil, err end
  local passed, results = false, {}
  for i, s in ipairs(signatures) do
    results[i] = judge(s, reader)
    passed = passed or results[i].ok
  end
  return passed, results
end

return verify
