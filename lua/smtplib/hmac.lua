-- Keyed hashes under the names of Python's hmac module. The key goes to the C
-- core and is not kept here; digests are computed by OpenSSL.
local core = require "smtplib.core"
local errors = require "smtplib.errors"

local hmac = {}

---@class smtplib.hmac.HMAC
---@field name string         "hmac-sha256"
---@field digest_size integer bytes
local HMAC = {}
HMAC.__index = HMAC
HMAC.__name = "smtplib.hmac"

local function check_string(value, name, func, level)
  if type(value) ~= "string" then
    error(("bad argument '%s' to '%s' (string expected, got %s)"):format(name, func, type(value)), level + 1)
  end
end

local function check_digest(digestmod, func, level)
  check_string(digestmod, "digestmod", func, level + 1)
  if not core.digest_size(digestmod) then
    error(("bad argument 'digestmod' to '%s' (unknown digest '%s')"):format(func, digestmod), level + 1)
  end
end

local option_names = { key = true, msg = true, digestmod = true }

local function check_options(options, level)
  for name in pairs(options) do
    if not option_names[name] then error(("unknown option '%s'"):format(tostring(name)), level + 1) end
  end
end

---A new HMAC object. All may also be given as one table of named options.
---@param key string
---@param msg? string first bytes of the message
---@param digestmod "md5"|"sha1"|"sha256"|"sha512"
---@return smtplib.hmac.HMAC? object nil when this host's OpenSSL lacks the digest
---@return table? err
function hmac.new(key, msg, digestmod)
  if type(key) == "table" then
    check_options(key, 2)
    key, msg, digestmod = key.key, key.msg, key.digestmod
  end
  check_string(key, "key", "new", 2)
  if msg ~= nil then check_string(msg, "msg", "new", 2) end
  check_digest(digestmod, "new", 2)
  local object, name, sentence = core.hmac(digestmod, key, msg)
  if not object then return nil, errors.from_core(name, sentence) end
  return setmetatable({
    core = object,
    name = "hmac-" .. object:name(),
    digest_size = core.digest_size(digestmod),
  }, HMAC)
end

local function check_self(self, func)
  if getmetatable(self) ~= HMAC then
    error(("calling '%s' on a bad self (hmac object expected)"):format(func), 3)
  end
end

---Add bytes to the message. Works after `digest` too.
---@param bytes string
---@return smtplib.hmac.HMAC? self
---@return table? err
function HMAC:update(bytes)
  check_self(self, "update")
  check_string(bytes, "msg", "update", 2)
  local done, name, sentence = self.core:update(bytes)
  if not done then return nil, errors.from_core(name, sentence) end
  return self
end

local function digest(self)
  local bytes, name, sentence = self.core:digest()
  if not bytes then return nil, errors.from_core(name, sentence) end
  return bytes
end

local function to_hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

---@return string? bytes of the digest of all that was added so far
---@return table? err
function HMAC:digest()
  check_self(self, "digest")
  return digest(self)
end

---@return string? hex the digest in lower-case hexadecimal
---@return table? err
function HMAC:hexdigest()
  check_self(self, "hexdigest")
  local bytes, err = digest(self)
  if not bytes then return nil, err end
  return to_hex(bytes)
end

---An independent object that has seen the same bytes.
---@return smtplib.hmac.HMAC? object
---@return table? err
function HMAC:copy()
  check_self(self, "copy")
  local object, name, sentence = self.core:copy()
  if not object then return nil, errors.from_core(name, sentence) end
  return setmetatable({ core = object, name = self.name, digest_size = self.digest_size }, HMAC)
end

function HMAC:__tostring()
  return ("smtplib.hmac (%s)"):format(self.name)
end

---Digest of one message.
---@param key string
---@param msg string
---@param digestmod "md5"|"sha1"|"sha256"|"sha512"
---@return string? bytes
---@return table? err
function hmac.digest(key, msg, digestmod)
  check_string(key, "key", "digest", 2)
  check_string(msg, "msg", "digest", 2)
  check_digest(digestmod, "digest", 2)
  local object, name, sentence = core.hmac(digestmod, key, msg)
  if not object then return nil, errors.from_core(name, sentence) end
  return digest({ core = object })
end

---True if both strings are the same; the time depends on their lengths alone.
---@param a string
---@param b string
---@return boolean
function hmac.compare_digest(a, b)
  check_string(a, "a", "compare_digest", 2)
  check_string(b, "b", "compare_digest", 2)
  return core.equal(a, b)
end

return hmac
