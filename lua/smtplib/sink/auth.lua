-- The server's side of AUTH (RFC 4954) for a sink: PLAIN, LOGIN, CRAM-MD5,
-- SCRAM (RFC 5802, with channel binding), XOAUTH2, OAUTHBEARER, EXTERNAL.
-- A mechanism is a function that runs as a coroutine: it yields challenges, is
-- given the client's responses, and returns the user, or nil.

local base64 = require "smtplib.base64"
local core = require "smtplib.core"

local auth = {}

local challenge = coroutine.yield

-- What a sink can be told to do wrong (options.auth_faults):
--   signature = true     SCRAM: a server signature that is not the right one
--   unsigned = true      SCRAM: success without any signature
--   nonce = true         SCRAM: a nonce that does not continue the client's
--   iterations = number  SCRAM: this iteration count
--   server_first = bytes SCRAM: these in place of the first challenge
local NO_FAULTS = {}

local function secret_of(self, user, mechanism)
  local known = self.options.auth
  if type(known) == "function" then return known(user, mechanism) end
  return type(known) == "table" and known[user] or nil
end

local function is_right(self, mechanism, user, secret)
  local right = secret_of(self, user, mechanism)
  return type(right) == "string" and core.equal(right, secret)
end

local mechanisms = {}

function mechanisms.PLAIN(self, initial)
  local zid, user, password = (initial or challenge "")
    :match("^([^%z]*)%z([^%z]+)%z([^%z]*)$")
  if not zid or (zid ~= "" and zid ~= user) then return nil end
  return is_right(self, "PLAIN", user, password) and user
end

function mechanisms.LOGIN(self, initial)
  local user = initial or challenge "Username:"
  local password = challenge "Password:"
  return is_right(self, "LOGIN", user, password) and user
end

mechanisms["CRAM-MD5"] = function(self)
  local nonce = core.random(8):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
  local text = ("<%s@%s>"):format(nonce, self.name)
  local user, digest = challenge(text):match("^(.*) (%x+)$")
  local password = user and secret_of(self, user, "CRAM-MD5")
  if not password then return nil end
  local right = core.hmac("md5", password, text):digest()
    :gsub(".", function(c) return ("%02x"):format(c:byte()) end)
  return core.equal(right, digest) and user
end

-- Google's form and RFC 7628's: a refusal is a challenge, with a dummy answer.
local function bearer(pattern)
  return function(self, initial, name)
    local user, token = (initial or challenge ""):match(pattern)
    if user and is_right(self, name, user, token) then return user end
    challenge '{"status":"invalid_token","schemes":"bearer","scope":"mail"}'
    return nil
  end
end

mechanisms.XOAUTH2 = bearer "^user=([^\1]*)\1auth=[Bb]earer ([^\1]*)\1\1$"
mechanisms.OAUTHBEARER = bearer "^n,a=([^,\1]*),\1.*auth=[Bb]earer ([^\1]*)\1\1$"

function mechanisms.EXTERNAL(self, initial)
  local subject = self.tls and self.tls.subject
  local wanted = initial or challenge ""
  if not subject and not self.options.external then return nil end
  return wanted ~= "" and wanted or subject or ""
end

local function xor(a, b)
  local out = {}
  for i = 1, #a do
    local x, y, sum, bit = a:byte(i), b:byte(i), 0, 1
    while x > 0 or y > 0 do
      if x % 2 ~= y % 2 then sum = sum + bit end
      x, y, bit = (x - x % 2) / 2, (y - y % 2) / 2, bit * 2
    end
    out[i] = string.char(sum)
  end
  return table.concat(out)
end

-- RFC 5802 §6: the flag of the client against what was offered. Returns the
-- bytes that `c=` must hold behind the header, or nil.
local function binding_of(self, name, flag)
  local kind = flag:match("^p=(.+)$")
  if name:find("-PLUS$") then
    return kind and self.tls and self.tls.binding and self.tls.binding(kind)
  end
  if kind then return nil end
  -- "y": the client could bind and believes that we cannot. We can.
  if flag == "y" and auth.is_offered(self, name .. "-PLUS") then return nil end
  return ""
end

local function keys_of(hash, password, salt, iterations)
  local salted = core.pbkdf2(hash, password, salt, iterations)
  local client = core.hmac(hash, salted, "Client Key"):digest()
  return {
    stored = core.digest(hash, client),
    server = core.hmac(hash, salted, "Server Key"):digest(),
  }
end

-- The proof of the client; then our own signature (or none).
local function proves(hash, keys, proof, text)
  local signature = core.hmac(hash, keys.stored, text):digest()
  if not proof or #proof ~= #signature then return false end
  return core.equal(core.digest(hash, xor(proof, signature)), keys.stored)
end

local function scram(self, initial, name)
  local hash = name:match("^SCRAM%-(SHA%-%d+)"):lower():gsub("%-", "")
  local faults = self.options.auth_faults or NO_FAULTS
  local first = initial or challenge ""
  local flag, zid, bare = first:match("^([^,]*),([^,]*),(.*)$")
  local user, nonce = (bare or ""):match("^n=([^,]*),r=([^,]+)")
  local bound = user and binding_of(self, name, flag)
  if not bound then return nil end
  user = user:gsub("=2C", ","):gsub("=3D", "=")
  local password = secret_of(self, user, name)
  if not password then return nil end

  local salt, iterations = core.random(12), faults.iterations or 4096
  local ours = (faults.nonce and "x" or nonce) .. base64.encode(core.random(12))
  local server_first = faults.server_first
    or ("r=%s,s=%s,i=%d"):format(ours, base64.encode(salt), iterations)
  local final = challenge(server_first)
  local unproven, proof = final:match("^(.*),p=([^,]*)$")
  -- Lua 5.1's format ends a %s at a NUL byte; a binding may hold one.
  local cbind = base64.encode(flag .. "," .. zid .. "," .. bound)
  if unproven ~= ("c=%s,r=%s"):format(cbind, ours) then return nil end

  local text = ("%s,%s,%s"):format(bare, server_first, unproven)
  local keys = keys_of(hash, password, salt, iterations)
  if not proves(hash, keys, base64.decode(proof), text) then return nil end
  if faults.unsigned then return user end
  local signature = core.hmac(hash, faults.signature and "x" or keys.server, text):digest()
  challenge("v=" .. base64.encode(signature))
  return user
end

local ORDER = {
  "SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-512",
  "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER",
}
for _, name in ipairs(ORDER) do
  if name:find("^SCRAM") then mechanisms[name] = scram end
end

---The mechanisms that the session offers now; -PLUS needs a TLS to bind to.
---@return string[]
function auth.offered(self)
  local names = {}
  for _, name in ipairs(self.options.mechanisms or ORDER) do
    if not name:find("-PLUS$") or (self.tls and self.tls.binding) then
      names[#names + 1] = name
    end
  end
  return names
end

function auth.is_offered(self, mechanism)
  for _, name in ipairs(auth.offered(self)) do
    if name == mechanism then return true end
  end
  return false
end

local function decode(line)
  if line == "=" or line == "" then return "" end
  return (base64.decode(line, { strict = true }))
end

-- Let the mechanism go on; returns the usual reply.
local function step(exchange, ...)
  local ok, result = coroutine.resume(exchange.run, ...)
  if not ok then error(result, 0) end
  if coroutine.status(exchange.run) == "suspended" then
    return "334 " .. base64.encode(result)
  end
  exchange.user = result or nil
  return result and "235 2.7.0 welcome" or "535 5.7.8 these credentials are not right"
end

---Begin: AUTH mechanism [initial].
---@return string usual reply
---@return table|nil exchange when the mechanism runs
function auth.start(self, mechanism, initial)
  if not auth.is_offered(self, mechanism) or not mechanisms[mechanism] then
    return "504 5.5.4 mechanism not offered"
  end
  local response = initial and decode(initial)
  if initial and not response then return "501 5.5.2 malformed base64" end
  local exchange = { run = coroutine.create(mechanisms[mechanism]) }
  return step(exchange, self, response, mechanism), exchange
end

---@param exchange table
---@param line string the client's answer to a challenge
---@return string usual reply
function auth.continue(exchange, line)
  if line == "*" then return "501 5.7.0 cancelled" end
  local response = decode(line)
  if not response then return "501 5.5.2 malformed base64" end
  return step(exchange, response)
end

return auth
