-- smtplib.ssl: contexts as users make them.
local certs = require "spec.support.certs"
local core = require "smtplib.core"
local errors = require "smtplib.errors"
local pair = require "spec.support.tlspair"
local ssl = require "smtplib.ssl"

local function open(client_context, server_context, host)
  local client, server = pair.connect(client_context, server_context, { host = host })
  return client:state() == "open" and server:state() == "open", client
end

describe("ssl.create_default_context", function()
  it("makes a context that verifies", function()
    local context = assert(ssl.create_default_context { cafile = certs.path("ca.pem") })
    assert.is_true(ssl.is_context(context))
    assert.is_true((open(context, pair.server_context("server"))))
    local ok, client = open(context, pair.server_context("wronghost"))
    assert.is_false(ok)
    assert.are.equal("tls_verify", (client:failure()))
  end)

  it("takes no option at all, and prints", function()
    for _, options in ipairs { {}, { {} } } do
      local context = assert(ssl.create_default_context(options[1]))
      assert.truthy(tostring(context):find("^smtplib%.ssl%.context"))
    end
  end)

  it("takes every option", function()
    assert(ssl.create_default_context {
      verify = true, cafile = certs.path("ca.pem"), capath = certs.path("hashed"), cadata = certs.read("ca.pem"),
      certfile = certs.path("client-encrypted.pem"), keyfile = certs.path("client-encrypted.key"), key_password = "secret",
      server_hostname = "mail.example.test", min_version = "TLSv1.2", ciphers = "HIGH", alpn = { "smtp" },
      fingerprint = "sha256:" .. ("00"):rep(32),
    })
  end)

  it("returns an SMTPTLSError for what cannot be read", function()
    for _, options in ipairs {
      { cafile = "/nonexistent" }, { capath = "/nonexistent" }, { cadata = "x" }, { certfile = "/nonexistent" },
      { min_version = "TLSv9" }, { fingerprint = "x" }, { ciphers = "x" },
    } do
      local context, err = ssl.create_default_context(options)
      assert.is_nil(context)
      assert.is_true(errors.is_error(err, "SMTPTLSError"))
      assert.is_false(err.temporary)
      local name = next(options)
      assert.truthy(err.message:find(name, 1, true), err.message)
    end
  end)

  -- what, options, text of the error
  local misuse = {
    { "an unknown option", { cafil = "x" }, "unknown option 'cafil'" },
    { "an option for servers", { request_client_cert = true }, "unknown option 'request_client_cert'" },
    { "the choice of being a server", { server = true }, "unknown option 'server'" },
    { "a positional value", { "x" }, "unknown option '1'" },
    { "verify that is a string", { verify = "no" }, "'verify'" },
    { "cafile that is a number", { cafile = 5 }, "'cafile'" },
    { "cafile with a NUL", { cafile = "a\0b" }, "'cafile'" },
    { "alpn with a number", { alpn = { 5 } }, "'alpn'" },
    { "server_hostname that is false", { server_hostname = false }, "'server_hostname'" },
  }
  for _, row in ipairs(misuse) do
    it("raises for " .. row[1] .. " and blames the caller", function()
      local ok, err = pcall(function() return (ssl.create_default_context(row[2])) end)
      assert.is_false(ok)
      assert.truthy(err:find(row[3], 1, true), err)
      assert.truthy(err:find("ssl_spec.lua", 1, true), err)
    end)
  end

  it("raises for what is no table", function()
    for _, value in ipairs { "x", 1, true } do
      assert.has_error(function() ssl.create_default_context(value) end)
    end
  end)

  it("does not keep or change the caller's table", function()
    local options = { cafile = certs.path("ca.pem"), alpn = { "a" } }
    ssl.create_default_context(options)
    assert.are.same({ cafile = certs.path("ca.pem"), alpn = { "a" } }, options)
  end)
end)

describe("ssl.create_server_context", function()
  it("makes the other end", function()
    local context = assert(ssl.create_server_context {
      certfile = certs.path("server.pem"), keyfile = certs.path("server.key"), cafile = certs.path("ca.pem"),
      request_client_cert = true,
    })
    assert.is_true((open(pair.client_context(), context)))
  end)

  it("needs a certificate", function()
    local context, err = ssl.create_server_context {}
    assert.is_nil(context)
    assert.is_true(errors.is_error(err, "SMTPTLSError"))
  end)
end)

describe("ssl.default_context", function()
  it("is one and the same for all who give none, and verifies", function()
    local context = assert(ssl.default_context())
    assert.are.equal(context, ssl.default_context())
    local ok, client = open(context, pair.server_context("selfsigned"))
    assert.is_false(ok)
    assert.are.equal("tls_verify", (client:failure()))
  end)
end)

describe("ssl.is_context", function()
  it("knows its own", function()
    local filter = core.tls(pair.client_context(), "localhost")
    for _, value in ipairs { 1, "x", {}, io.stdout, filter, ssl } do
      assert.is_false(ssl.is_context(value))
    end
    assert.is_false(ssl.is_context(nil))
    assert.is_true(ssl.is_context(pair.client_context()))
  end)
end)

-- The environment is read when a context is made, so each case is a process.
describe("the system's store", function()
  local interpreter = arg[0]
  for i = -1, -10, -1 do
    if arg[i] then interpreter = arg[i] end
  end
  local script = [[
    local core, pair = require "smtplib.core", require "spec.support.tlspair"
    local client = pair.connect(core.tls_context {}, pair.server_context("server"))
    io.write(client:state(), " ", select(2, client:failure()) or "")
  ]]
  local function run(environment)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(("package.path, package.cpath = %q, %q\n"):format(package.path, package.cpath), script)
    file:close()
    local pipe = assert(io.popen(("env %s '%s' %s 2>&1"):format(environment, interpreter, path)))
    local output = pipe:read("*a")
    pipe:close()
    os.remove(path)
    return output
  end
  local file, folder = certs.path("ca.pem"), certs.path("hashed")

  -- environment, what the client says
  local cases = {
    { "SSL_CERT_FILE=" .. file, "open " },
    { "-u SSL_CERT_FILE SSL_CERT_DIR=" .. folder, "open " },
    { "SSL_CERT_DIR=/nonexistent SSL_CERT_FILE=" .. file, "open " },
    { "SSL_CERT_FILE=/nonexistent SSL_CERT_DIR=/nonexistent", "failed unable to get local issuer certificate" },
    { "-u SSL_CERT_FILE -u SSL_CERT_DIR", "failed unable to get local issuer certificate" },
  }
  for _, row in ipairs(cases) do
    it("is where the environment says: " .. row[1]:gsub("build/", ""), function()
      assert.are.equal(row[2], run(row[1]))
    end)
  end
end)
