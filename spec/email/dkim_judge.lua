-- Keys for DKIM, made once and kept in the build folder, and what other programs
-- say to signatures: dkimpy and OpenDKIM.
local core = require "smtplib.core"

local judge = { dir = (os.getenv("BUILD") or "build") .. "/dkim" }

-- A sanitizer that was loaded into us is not to judge other programs.
local function run(command)
  local pipe = assert(io.popen("LD_PRELOAD= " .. command))
  local text = pipe:read("*a")
  pipe:close()
  return text
end

local recipe = [[sh -c '[ -d "$0" ] || { d=$(mktemp -d "$0.XXXXXX") &&
  openssl genrsa -traditional -out $d/rsa.pem 2048 && openssl genrsa -out $d/small.pem 512 &&
  openssl pkcs8 -topk8 -nocrypt -in $d/rsa.pem -out $d/rsa8.pem &&
  openssl pkcs8 -topk8 -v2 aes-256-cbc -passout pass:secret -in $d/rsa.pem -out $d/secret.pem &&
  openssl genrsa -aes128 -traditional -passout pass:secret -out $d/secret1.pem 2048 &&
  openssl genpkey -algorithm ed25519 -out $d/ed25519.pem &&
  openssl ecparam -name prime256v1 -genkey -noout -out $d/ec.pem &&
  mv -T $d "$0" 2>&1 || rm -rf $d; }' '%s' 2>/dev/null]]
run(recipe:format(judge.dir))

function judge.key(name)
  local file = assert(io.open(judge.dir .. "/" .. name .. ".pem", "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

judge.rsa, judge.ed25519 = judge.key("rsa"), judge.key("ed25519")

-- The 32 bytes of the Ed25519 key, in base64: the end of its PKCS#8.
local der = core.base64_decode(judge.ed25519:match("KEY%-%-%-%-%-(.-)%-%-%-%-%-END"), false)
judge.seed = core.base64_encode(der:sub(-32))

--- The record for the public half of a key.
function judge.record(pem)
  local key = assert(core.dkim.key(pem))
  return ("v=DKIM1; k=%s; p=%s"):format(key:kind(), core.base64_encode(key:record()))
end

judge.records = {
  ["r._domainkey.example.com"] = judge.record(judge.rsa),
  ["e._domainkey.example.com"] = judge.record(judge.ed25519),
}

--- For dkim.verify.
function judge.lookup(name)
  return judge.records[name]
end

local function with_file(text, use)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  local result = use(path)
  os.remove(path)
  return result
end

local function keys_text()
  local lines = {}
  for name, record in pairs(judge.records) do lines[#lines + 1] = name .. " " .. record .. "\n" end
  return table.concat(lines)
end

--- What dkimpy says to each signature: "pass pass".
function judge.dkimpy(raw)
  return with_file(keys_text(), function(keys)
    return with_file(raw, function(path)
      return (run(("/usr/bin/python3 spec/email/dkim_judge.py verify %s %s 2>&1"):format(keys, path)):gsub("%s+$", ""))
    end)
  end)
end

--- Signed by dkimpy; `name` of a key in the folder.
function judge.signed_by_dkimpy(raw, name, algorithm, canonicalization)
  if name == "ed25519" then
    return with_file(judge.seed, function(seed)
      return with_file(raw, function(path)
        return run(("/usr/bin/python3 spec/email/dkim_judge.py sign %s e example.com %s %s %s 2>&1"):format(seed, algorithm,
          canonicalization, path))
      end)
    end)
  end
  return with_file(raw, function(path)
    return run(("/usr/bin/python3 spec/email/dkim_judge.py sign %s/%s.pem r example.com %s %s %s 2>&1"):format(judge.dir,
      name, algorithm, canonicalization, path))
  end)
end

-- OpenDKIM in its test mode takes keys from a file instead of asking for them.
local function opendkim(config, raw)
  return with_file(config, function(path)
    return with_file(raw, function(message)
      return run(("PATH=$PATH:/usr/sbin opendkim -x %s -vv -t %s 2>&1"):format(path, message))
    end)
  end)
end

--- What OpenDKIM says to each signature: "pass pass".
function judge.opendkim(raw)
  return with_file(keys_text(), function(keys)
    local said, list = opendkim("Mode v\nOn-BadSignature accept\nTestPublicKeys " .. keys .. "\n", raw), {}
    for opinion in said:gmatch("dkim=(%a+)") do list[#list + 1] = opinion end
    return #list > 0 and table.concat(list, " ") or said
  end)
end

--- Signed by OpenDKIM.
function judge.signed_by_opendkim(raw, name, algorithm, canonicalization)
  local said = opendkim(([[
Mode s
Domain example.com
Selector %s
KeyFile %s/%s.pem
RequireSafeKeys false
Canonicalization %s
SignatureAlgorithm %s
OversignHeaders From
]]):format(name == "rsa" and "r" or "e", judge.dir, name, canonicalization, algorithm), raw)
  local value = said:match("hname='DKIM%-Signature' hvalue='(.-)'") or said
  return "DKIM-Signature: " .. value:gsub("\n", "\r\n") .. "\r\n" .. raw
end

--- Signed by opendkim-testmsg, which knows rsa-sha1 alone.
function judge.signed_by_testmsg(raw)
  return with_file(raw, function(path)
    return run(("opendkim-testmsg -C -d example.com -s r -k %s/rsa.pem < %s 2>&1"):format(judge.dir, path))
  end)
end

return judge
