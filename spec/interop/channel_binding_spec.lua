-- SCRAM with channel binding, judged by GNU SASL: with TLS 1.3 the binding is
-- tls-exporter, with TLS 1.2 tls-unique. The server's 235 names the mechanism.
local smtplib = require "smtplib"
local servers = require "spec.support.servers"
local bodies = require "spec.interop.bodies"

describe("GNU SASL", function()
  local missing = servers.missing()
  if missing then return pending(missing) end

  local gsasl, server

  setup(function() gsasl = servers.gsasl() end)
  teardown(function() if gsasl then gsasl:stop() end end)
  after_each(function()
    if server then server:close() end
    server = nil
  end)

  local function connect(overrides)
    server = assert(smtplib.SMTP(gsasl:options(overrides)))
    return server
  end

  local ways = {
    { "TLS 1.3 after STARTTLS", function() return { tls = "starttls" } end },
    { "implicit TLS 1.3", function() return { port = gsasl.smtps, tls = "implicit" } end },
    { "TLS 1.2 after STARTTLS", function() return { port = gsasl.tls12, tls = "starttls" } end },
  }
  local users = { { "alice", "secret" }, { "bob", "p \195\164ssw\195\182rd" } }

  for _, way in ipairs(ways) do
    describe("over " .. way[1], function()
      for _, mechanism in ipairs { "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "CRAM-MD5", "PLAIN", "LOGIN" } do
        for _, user in ipairs(users) do
          it(("takes %s of %s"):format(mechanism, user[1]), function()
            connect(way[2]())
            local code, message = assert(server:login(user[1], user[2], { mechanisms = { mechanism } }))
            assert.equal(235, code)
            assert.truthy(message:find(mechanism .. " " .. user[1], 1, true), message)
          end)
        end
      end

      it("is bound to the channel without being asked", function()
        connect(way[2]())
        local _, message = assert(server:login("alice", "secret"))
        assert.truthy(message:find("SCRAM-SHA-256-PLUS alice", 1, true), message)
        local text, id = servers.message(".\r\n\228\r\n")
        assert.same({}, assert(server:sendmail("alice@example.test", "anybody@example.test", text)))
        assert.is_nil(servers.difference(text, gsasl:delivered(id).bytes))
      end)

      it("refuses the wrong password", function()
        connect(way[2]())
        local code, err = server:login("alice", "wrong", { mechanisms = { "SCRAM-SHA-256-PLUS" } })
        assert.is_nil(code)
        assert.is_true(err:is(smtplib.SMTPAuthenticationError), tostring(err))
        assert.equal(535, err.smtp_code)
      end)
    end)
  end

  it("is bound to the channel of a resumed session", function()
    for _, port in ipairs { gsasl.port, gsasl.tls12 } do
      local context = smtplib.ssl.create_default_context { cafile = gsasl.ca }
      for _ = 1, 3 do
        server = assert(smtplib.SMTP { host = gsasl.host, port = port, tls = "starttls", context = context })
        local _, message = assert(server:login("alice", "secret"))
        assert.truthy(message:find("SCRAM-SHA-256-PLUS alice", 1, true), message)
        server:quit()
      end
    end
  end)

  it("takes SCRAM without binding in clear", function()
    connect()
    local _, message = assert(server:login("alice", "secret"))
    assert.truthy(message:find("SCRAM-SHA-256 alice", 1, true), message)
  end)

  describe("stores byte for byte what came after DATA, with CRLF line ends:", function()
    for _, body in ipairs(bodies) do
      it(body[1], function()
        local text, id = servers.message(body[2])
        assert.same({}, assert(connect():sendmail("sender@example.test", "anybody@example.test", text)))
        local head = text:sub(1, #text - #body[2])
        local expected = head .. (body[3] and body[3]:gsub("\n", "\r\n") or body[2])
        assert.is_nil(servers.difference(expected, gsasl:delivered(id).bytes))
      end)
    end
  end)
end)
