-- The certificates of mksmime.sh, and the program openssl as the judge of S/MIME.
local smime = { dir = (os.getenv("BUILD") or "build") .. "/smime" }

-- A sanitizer that was loaded into us is not to judge openssl.
local function run(command)
  local ok = os.execute("LD_PRELOAD= " .. command)
  return ok == true or ok == 0
end

assert(run(("sh spec/support/mksmime.sh '%s'"):format(smime.dir)), "mksmime.sh failed")

function smime.path(name)
  return smime.dir .. "/" .. name
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("*a")
  file:close()
  return bytes
end

local function write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

function smime.read(name)
  return read(smime.path(name))
end

---openssl ARGUMENTS over the bytes: what it gives, or nil and what it says.
function smime.openssl(arguments, bytes)
  local from, to, said = os.tmpname(), os.tmpname(), os.tmpname()
  write(from, bytes)
  local ok = run(("openssl %s -in %s -out %s 2>%s"):format(arguments, from, to, said))
  local result, why = read(to), read(said)
  os.remove(from)
  os.remove(to)
  os.remove(said)
  if not ok then return nil, why end
  return result
end

local function cms(arguments, bytes)
  return smime.openssl("cms " .. arguments, bytes)
end

---The signed content by openssl's verdict; nil and its words when it is refused.
---@param extra string|nil more arguments
function smime.verify(raw, extra)
  return cms(("-verify -CAfile %s %s"):format(smime.path("ca.pem"), extra or ""), raw)
end

---The content of an envelope.
function smime.decrypt(raw, name)
  return cms(("-decrypt -recip %s -inkey %s"):format(smime.path(name .. ".pem"), smime.path(name .. ".key")), raw)
end

---A message that openssl signed.
function smime.sign(entity, name, extra)
  return assert(cms(("-sign -signer %s -inkey %s %s"):format(smime.path(name .. ".pem"),
    smime.path(name .. ".key"), extra or ""), entity))
end

---A message that openssl encrypted.
function smime.encrypt(entity, name, extra)
  return assert(cms(("-encrypt %s -recip %s"):format(extra or "-aes256", smime.path(name .. ".pem")), entity))
end

return smime
