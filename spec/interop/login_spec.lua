-- Every mechanism that Postfix (Cyrus SASL) and Dovecot offer, with passwords of
-- ASCII and of other letters; refused logins; what a trace shows of them.
local core = require "smtplib.core"
local smtplib = require "smtplib"
local servers = require "spec.support.servers"

local users = {
  { "alice@example.test", "secret" },
  { "bob@example.test", "p \195\164ssw\195\182rd" },
}

describe("login", function()
  local missing = servers.missing()
  if missing then return pending(missing) end

  local postfix, dovecot, server

  setup(function()
    postfix = servers.postfix()
    dovecot = servers.dovecot(postfix.port)
  end)
  teardown(function()
    if dovecot then dovecot:stop() end
    if postfix then postfix:stop() end
  end)
  after_each(function()
    if server then server:close() end
    server = nil
  end)

  local function connect(where, overrides)
    server = assert(smtplib.SMTP(where:options(overrides)))
    return server
  end

  local function send(user)
    local text, id = servers.message(".\r\n\228\r\n")
    assert.same({}, assert(server:sendmail(user, "alice@example.test", text)))
    assert.equal(221, (server:quit()))
    assert.is_nil(servers.difference(servers.stored(text), postfix:delivered(id).bytes))
    return id
  end

  -- The last login that Dovecot noted. Its log may lag behind its replies.
  local function last_login()
    local user, mechanism
    for u, m in dovecot:log_text():gmatch("Info: Login: user=<(%S+)>, method=([%w-]+)") do
      user, mechanism = u, m
    end
    return { mechanism, user }
  end

  local function assert_login(mechanism, user)
    local deadline, seen = core.now() + 5
    repeat
      seen = last_login()
      if seen[1] == mechanism and seen[2] == user then return end
      core.poll({}, {}, 0.02)
    until core.now() > deadline
    assert.same({ mechanism, user }, seen)
  end

  describe("to Postfix", function()
    for _, mechanism in ipairs { "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512" } do
      for _, user in ipairs(users) do
        it(("with %s as %s"):format(mechanism, user[1]), function()
          connect(postfix, { tls = "starttls" })
          assert.equal(235, (assert(server:login(user[1], user[2], { mechanisms = { mechanism } }))))
          assert.same({ mechanism, user[1] }, { postfix:login_of(send(user[1])) })
        end)
      end

      it(("with %s and the wrong password"):format(mechanism), function()
        connect(postfix, { tls = "starttls" })
        local code, err = server:login("alice@example.test", "wrong", { mechanisms = { mechanism } })
        assert.is_nil(code)
        assert.is_true(err:is(smtplib.SMTPAuthenticationError), tostring(err))
        assert.equal(535, err.smtp_code)
        assert.equal("5.7.8", err.enhanced_code)
        assert.is_false(err.temporary)
        assert.equal("none", err.delivery)
        assert.equal(235, (assert(server:login("alice@example.test", "secret", { mechanisms = { mechanism } }))))
      end)
    end

    it("picks the strongest mechanism", function()
      connect(postfix, { tls = "starttls" })
      assert.equal(235, (assert(server:login("alice@example.test", "secret"))))
      assert.same({ "SCRAM-SHA-512", "alice@example.test" }, { postfix:login_of(send("alice@example.test")) })
    end)

    it("in clear, on the loopback", function()
      connect(postfix)
      assert.equal(235, (assert(server:login("alice@example.test", "secret", { mechanisms = { "PLAIN" } }))))
      assert.same({ "PLAIN", "alice@example.test" }, { postfix:login_of(send("alice@example.test")) })
    end)

    it("without an initial response", function()
      for _, mechanism in ipairs { "PLAIN", "LOGIN", "SCRAM-SHA-256" } do
        connect(postfix, { tls = "starttls" })
        assert.equal(235, (assert(server:login("alice@example.test", "secret",
          { mechanisms = { mechanism }, initial_response_ok = false }))))
        server:quit()
      end
    end)

    it("lets mail go to other domains, in the same flight as the envelope", function()
      connect(postfix, { port = postfix.submission, tls = "starttls", user = "bob@example.test", password = users[2][2],
        auth = nil })
      local text, id = servers.message("Hello.\r\n")
      assert.same({}, assert(server:sendmail("bob@example.test", "alice@example.test", text)))
      postfix:delivered(id)
      local _, user = postfix:login_of(id)
      assert.equal("bob@example.test", user)
    end)

    it("fails for a wrong password in the constructor, at the latest with the first message", function()
      local options = postfix:options { tls = "starttls", user = "alice@example.test", password = "wrong" }
      local err
      server, err = smtplib.SMTP(options)
      if server then
        local result
        result, err = server:sendmail("alice@example.test", "alice@example.test", "Subject: never\r\n\r\n")
        assert.is_nil(result)
      end
      assert.is_true(err:is(smtplib.SMTPAuthenticationError), tostring(err))
      assert.equal("none", err.delivery)
      assert.equal(0, postfix:count())
    end)

    it("keeps the secrets out of the trace", function()
      for _, mechanism in ipairs { "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256" } do
        local seen = {}
        connect(postfix, { trace = function(_, bytes) seen[#seen + 1] = bytes end })
        assert(server:login("alice@example.test", "secret", { mechanisms = { mechanism } }))
        local trace = table.concat(seen)
        assert.truthy(trace:find("AUTH " .. mechanism, 1, true), trace)
        for _, secret in ipairs { "secret", smtplib.base64.encode("secret"),
          smtplib.base64.encode("\0alice@example.test\0secret"), "biws" } do
          assert.is_nil(trace:find(secret, 1, true), mechanism .. " shows " .. secret)
        end
        assert.is_nil(trace:find("334 %w"), mechanism .. " shows a challenge:\n" .. trace)
        server:quit()
      end
    end)
  end)

  describe("to Dovecot submission", function()
    for _, mechanism in ipairs { "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256" } do
      for _, user in ipairs(users) do
        it(("with %s as %s"):format(mechanism, user[1]), function()
          connect(dovecot, { tls = "starttls" })
          assert.equal(235, (assert(server:login(user[1], user[2], { mechanisms = { mechanism } }))))
          send(user[1])
          assert_login(mechanism, user[1])
        end)
      end
    end

    for _, mechanism in ipairs { "XOAUTH2", "OAUTHBEARER" } do
      it(("with %s and a token"):format(mechanism), function()
        connect(dovecot, { tls = "starttls", auth = {
          mechanism = mechanism, user = "alice@example.test", token = servers.token("alice@example.test"),
        } })
        send("alice@example.test")
        assert_login(mechanism, "alice@example.test")
      end)

      it(("with %s and a function that gets a token"):format(mechanism), function()
        connect(dovecot, { port = dovecot.submissions, tls = "implicit", auth = {
          mechanism = mechanism, user = "alice@example.test",
          token = function() return servers.token("alice@example.test") end,
        } })
        send("alice@example.test")
        assert_login(mechanism, "alice@example.test")
      end)

      it(("with %s and an expired token"):format(mechanism), function()
        local err
        server, err = smtplib.SMTP(dovecot:options { tls = "starttls", auth = {
          mechanism = mechanism, user = "alice@example.test", token = servers.token("alice@example.test", -60),
        } })
        assert.is_nil(server)
        assert.is_true(err:is(smtplib.SMTPAuthenticationError), tostring(err))
        assert.equal(535, err.smtp_code)
        assert.equal("none", err.delivery)
      end)
    end

    it("over implicit TLS", function()
      connect(dovecot, { port = dovecot.submissions, tls = "implicit" })
      assert.equal(235, (assert(server:login("alice@example.test", "secret"))))
      send("alice@example.test")
      assert_login("SCRAM-SHA-256", "alice@example.test")
    end)

    it("refuses the wrong password", function()
      connect(dovecot, { tls = "starttls" })
      local code, err = server:login("alice@example.test", "wrong", { mechanisms = { "PLAIN" } })
      assert.is_nil(code)
      assert.is_true(err:is(smtplib.SMTPAuthenticationError), tostring(err))
      assert.equal(535, err.smtp_code)
      assert.is_false(err.temporary)
    end)

    it("refuses the wrong password in every mechanism, strongest first, and the connection goes on", function()
      local tried = {}
      connect(dovecot, { tls = "starttls", trace = function(direction, bytes)
        if direction == "send" then tried[#tried + 1] = bytes:match("AUTH ([%w-]+)") end
      end })
      local code, err = server:login("alice@example.test", "wrong")
      assert.is_nil(code)
      assert.is_true(err:is(smtplib.SMTPAuthenticationError), tostring(err))
      assert.same({ "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN" }, tried)
      assert.equal(235, (assert(server:login("alice@example.test", "secret"))))
    end)

    it("refuses mail before the login", function()
      local result, err = connect(dovecot, { tls = "starttls" }):sendmail("alice@example.test", "alice@example.test", "x")
      assert.is_nil(result)
      assert.equal(530, err.smtp_code)
    end)

    it("sends several messages on one connection, and has one of three recipients refused by the relay", function()
      connect(dovecot, { tls = "starttls" })
      assert(server:login("alice@example.test", "secret"))
      local messages, ids = {}, {}
      for i = 1, 5 do
        local text
        text, ids[i] = servers.message(i .. "\r\n")
        messages[i] = { from = "alice@example.test", to = "alice@example.test", message = text }
      end
      messages[3].to = { "alice@example.test", "unknown@example.test", "bob@example.test" }
      local results = assert(server:send_messages(messages))
      for i = 1, 5 do
        assert.is_nil(results[i].err, tostring(results[i].err))
        assert.equal(i == 3 and 2 or 1, #postfix:collect(ids[i], i == 3 and 2 or 1))
      end
      assert.equal(550, results[3].refused["unknown@example.test"][1])
    end)
  end)
end)
