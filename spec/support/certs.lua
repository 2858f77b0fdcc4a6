-- The certificates of mkcerts.sh, made once and kept in the build folder.
--
--   local certs = require "spec.support.certs"
--   certs.path("server.pem")   certs.read("ca.pem")
local certs = { dir = (os.getenv("BUILD") or "build") .. "/certs" }

-- A sanitizer that was loaded into us is not to judge mktemp and openssl.
local made = os.execute(("LD_PRELOAD= sh spec/support/mkcerts.sh '%s'"):format(certs.dir))
assert(made == true or made == 0, "mkcerts.sh failed")

function certs.path(name)
  return certs.dir .. "/" .. name
end

function certs.read(name)
  local file = assert(io.open(certs.path(name), "rb"))
  local bytes = file:read("*a")
  file:close()
  return bytes
end

return certs
