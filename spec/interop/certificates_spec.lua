-- Certificates that must not be trusted, shown by a real Postfix; and what it
-- takes to trust one all the same.
local smtplib = require "smtplib"
local servers = require "spec.support.servers"

describe("a server's certificate", function()
  local missing = servers.missing()
  if missing then return pending(missing) end

  local postfix, server

  setup(function() postfix = servers.postfix() end)
  teardown(function()
    if postfix then postfix:stop() end
  end)
  after_each(function()
    if server then server:close() end
    server = nil
  end)

  local function assert_refused(options, verify_code)
    options.user, options.password = "alice@example.test", "secret"
    local err
    server, err = smtplib.SMTP(options)
    assert.is_nil(server)
    assert.is_true(err:is(smtplib.SMTPTLSError), tostring(err))
    assert.equal("none", err.delivery)
    assert.equal("string", type(err.reason))
    if verify_code then assert.equal(verify_code, err.verify_code, tostring(err)) end
  end

  -- The codes are OpenSSL's X509_V_ERR_…: host name mismatch, expired, self-signed
  -- in the chain (Postfix sends its CA too) or no issuer found, self-signed.
  local bad = {
    { "for another host", "wronghost", 62 },
    { "that has expired", "expired", 10 },
    { "of an unknown authority", "untrusted" },
    { "that is its own issuer", "selfsigned", 18 },
  }
  for _, case in ipairs(bad) do
    it(case[1] .. " is refused after STARTTLS", function()
      assert_refused(postfix:options { port = postfix[case[2]], tls = "starttls" }, case[3])
    end)

    it(case[1] .. " is refused by opportunistic TLS too", function()
      assert_refused(postfix:options { port = postfix[case[2]], tls = "opportunistic" }, case[3])
    end)

    it(case[1] .. " is refused by the method starttls, and the connection is closed", function()
      server = assert(smtplib.SMTP(postfix:options { port = postfix[case[2]] }))
      local code, err = server:starttls { cafile = postfix.ca }
      assert.is_nil(code)
      assert.is_true(err:is(smtplib.SMTPTLSError), tostring(err))
      assert.is_false(server:is_open())
    end)

    it(case[1] .. " is taken with verify=false", function()
      server = assert(smtplib.SMTP(postfix:options {
        port = postfix[case[2]], tls = "starttls", tls_options = { verify = false },
      }))
      assert.equal(250, (server:noop()))
    end)
  end

  it("of our authority is refused where only the system's are known", function()
    assert_refused(postfix:options { tls = "starttls", tls_options = {} })
    assert_refused(postfix:options { port = postfix.smtps, tls = "implicit", tls_options = {} })
  end)

  it("is refused over implicit TLS for a name it does not hold", function()
    assert_refused(postfix:options {
      port = postfix.smtps, tls = "implicit",
      tls_options = { cafile = postfix.ca, server_hostname = "elsewhere.example.test" },
    }, 62)
  end)

  it("is taken for another of its names when that is asked for", function()
    server = assert(smtplib.SMTP(postfix:options {
      port = postfix.smtps, tls = "implicit",
      tls_options = { cafile = postfix.ca, server_hostname = "mail.example.test" },
    }))
    assert.equal(250, (server:noop()))
  end)

  it("is taken for its IP address", function()
    server = assert(smtplib.SMTP(postfix:options { host = "127.0.0.1", port = postfix.smtps, tls = "implicit" }))
    assert.equal(250, (server:noop()))
  end)

  it("is taken by its fingerprint, and another one is not", function()
    local pipe = assert(io.popen("openssl x509 -noout -fingerprint -sha256 -in "
      .. postfix.certs .. "/selfsigned.pem"))
    local fingerprint = pipe:read("*a"):match("=([%x:]+)"):gsub(":", ""):lower()
    pipe:close()
    local pin = { fingerprint = "sha256:" .. fingerprint }
    server = assert(smtplib.SMTP(postfix:options { port = postfix.selfsigned, tls = "starttls", tls_options = pin }))
    assert.equal(250, (server:noop()))
    assert_refused(postfix:options { port = postfix.port, tls = "starttls", tls_options = pin })
  end)

  it("that was refused got neither a password nor an envelope", function()
    assert_refused(postfix:options { port = postfix.expired, tls = "starttls" })
    local log = postfix:log_text()
    assert.truthy(log:find("starttls=", 1, true))
    assert.is_nil(log:find(" auth=", 1, true))
    assert.is_nil(log:find(" mail=", 1, true))
    assert.equal(0, postfix:count())
  end)
end)
