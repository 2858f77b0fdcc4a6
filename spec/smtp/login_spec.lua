-- Authentication (API section 3.3): every mechanism against the sink, the order
-- in which they are tried, what is never sent, and servers that cheat.
local certs = require "spec.support.certs"
local client = require "spec.support.client"
local pair = require "spec.support.tlspair"
local smtplib = require "smtplib"

local USERS = { me = "secret", ["j\195\188rgen"] = "gr\195\188n, =x", ["a,b=c"] = "x" }
local SCRAM = { "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512" }

local tls = { tls = "starttls", tls_options = { cafile = certs.path("ca.pem") } }

local function copy(given, more)
  local all = {}
  for name, value in pairs(given or {}) do all[name] = value end
  for name, value in pairs(more or {}) do all[name] = value end
  return all
end

-- A server with those mechanisms, and a client after EHLO.
local function offering(mechanisms, peer_options, options)
  local server, peer = client.connect(copy({ auth = USERS, mechanisms = mechanisms }, peer_options), options)
  server:ehlo()
  return server, peer
end

-- The mechanisms that were tried, in order.
local function tried(peer)
  local names = {}
  for _, line in ipairs(peer:commands()) do
    local name = line:match("^AUTH (%S+)")
    if name then names[#names + 1] = name end
  end
  return table.concat(names, " ")
end

-- The user that the sink believes to have.
local function user_of(peer)
  return client.last(peer.sessions).user
end

describe("login", function()
  for _, mechanism in ipairs { "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512" } do
    it("works by " .. mechanism .. ", with and without an initial response", function()
      for user, password in pairs(USERS) do
        for _, initial in ipairs { true, false } do
          local server, peer = offering { mechanism }
          local code, message = server:login(user, password, { initial_response_ok = initial })
          assert.equal(235, code, tostring(message))
          assert.equal(user, user_of(peer))
          assert.equal(user, server.user)
          assert.equal(password, server.password)
          assert.equal(initial and mechanism ~= "CRAM-MD5",
            peer:commands()[2]:match("^AUTH %S+ ") ~= nil or false)
          assert.same({}, server:sendmail("a@b.example", "c@d.example", "x"))
          assert.equal(user, peer.messages[1].auth_user)
        end
      end
    end)

    it("with a wrong password by " .. mechanism .. " is SMTPAuthenticationError", function()
      local server, peer = offering { mechanism }
      local code, err = server:login("me", "wrong")
      assert.is_nil(code)
      assert.equal("SMTPAuthenticationError", err.name)
      assert.equal(535, err.smtp_code)
      assert.equal("5.7.8", err.enhanced_code)
      assert.equal("AUTH", err.command)
      assert.equal("none", err.delivery)
      assert.is_false(err.temporary)
      assert.is_true(server:is_open())
      assert.equal(235, (server:login("me", "secret")))
      assert.equal("me", user_of(peer))
    end)
  end

  for _, name in ipairs(SCRAM) do
    it("works by " .. name .. "-PLUS over TLS 1.2 and 1.3", function()
      for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
        local context = pair.server_context("server", { min_version = version, max_version = version })
        local server, peer = client.connect({ auth = USERS, mechanisms = { name .. "-PLUS", name }, context = context }, tls)
        assert.equal(235, (server:login("me", "secret")))
        assert.equal(name .. "-PLUS", tried(peer))
        assert.equal("me", user_of(peer))
      end
    end)
  end

  it("by SCRAM over TLS, where -PLUS was not offered, tells the server so", function()
    local context = pair.server_context("server")
    local server = client.connect({ auth = USERS, mechanisms = { "SCRAM-SHA-256" }, context = context }, tls)
    assert.equal(235, (server:login("me", "secret")))
    -- The sink offers -PLUS, somebody between has cut it out: "y" gives it away.
    local ehlo = { "250-hi", "250 AUTH SCRAM-SHA-256" }
    local secured
    local peer
    server, peer = client.connect({
      auth = USERS, mechanisms = { "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256" }, context = context,
      replies = { EHLO = function(session) secured = session.tls return secured and ehlo or nil end },
    }, tls)
    local code, err = server:login("me", "secret")
    assert.is_nil(code)
    assert.equal("SMTPAuthenticationError", err.name)
    assert.equal("SCRAM-SHA-256", tried(peer))
  end)

  it("sends EHLO if needed", function()
    local server, peer = client.connect { auth = USERS }
    assert.equal(235, (server:login("me", "secret")))
    assert.equal("EHLO client.example", peer:commands()[1])
  end)

  it("when logged in already is fine: 503", function()
    local server = offering { "PLAIN" }
    assert.equal(235, (server:login("me", "secret")))
    local code = server:login("me", "secret")
    assert.equal(503, code)
  end)

  it("without AUTH is SMTPNotSupportedError", function()
    for _, options in ipairs { {}, { esmtp = false } } do
      local server, peer = client.connect(options)
      local code, err = server:login("me", "secret")
      assert.is_nil(code)
      assert.equal("SMTPNotSupportedError", err.name)
      assert.equal(0, client.count(peer, "AUTH"))
      assert.is_true(server:is_open())
    end
  end)

  it("with no mechanism in common is SMTPException", function()
    local server, peer = offering { "GSSAPI", "NTLM" }
    local code, err = server:login("me", "secret")
    assert.is_nil(code)
    assert.equal("SMTPException", err.name)
    assert.equal(0, client.count(peer, "AUTH"))
    assert.is_true(server:is_open())
  end)

  it("with an empty password or user asks the server", function()
    local server = offering { "PLAIN" }
    local code, err = server:login("me", "")
    assert.is_nil(code)
    assert.equal("SMTPAuthenticationError", err.name)
  end)
end)

describe("the choice of a mechanism", function()
  local rows = {
    { "LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-512", "SCRAM-SHA-512" },
    { "LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256", "SCRAM-SHA-256" }, { "LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1", "SCRAM-SHA-1" },
    { "LOGIN PLAIN CRAM-MD5", "CRAM-MD5" }, { "LOGIN PLAIN", "PLAIN" }, { "LOGIN", "LOGIN" }, { "XOAUTH2 LOGIN", "LOGIN" },
  }
  for _, row in ipairs(rows) do
    it(("of %s is %s"):format(row[1], row[2]), function()
      local names = {}
      for name in row[1]:gmatch("%S+") do names[#names + 1] = name end
      local server, peer = offering(names)
      assert.equal(235, (server:login("me", "secret")))
      assert.equal(row[2], tried(peer))
    end)
  end

  it("prefers -PLUS, the strongest first", function()
    local all = { "SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-512" }
    local context = pair.server_context("server")
    for first = 1, 4 do
      local names = {}
      for i = first, 4 do names[#names + 1] = all[i] end
      local server, peer = client.connect({ auth = USERS, mechanisms = names, context = context }, tls)
      assert.equal(235, (server:login("me", "secret")))
      assert.equal(all[first], tried(peer))
    end
  end)

  it("knows names in any case", function()
    local server, peer = client.connect {
      auth = USERS, replies = { EHLO = { "250-hi", "250 auth plain login" } }, mechanisms = { "PLAIN" },
    }
    assert.equal(235, (server:login("me", "secret")))
    assert.equal("PLAIN", tried(peer))
  end)

  it("knows the old announcement AUTH=", function()
    local server, peer = client.connect {
      auth = USERS, replies = { EHLO = { "250-hi", "250 AUTH=PLAIN" } }, mechanisms = { "PLAIN" },
    }
    assert.equal(235, (server:login("me", "secret")))
    assert.equal("PLAIN", tried(peer))
  end)

  it("goes on to the next after a permanent refusal", function()
    local server, peer = offering({ "SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN" }, {
      replies = { ["AUTH SCRAM-SHA-256"] = "535 5.7.8 no", ["AUTH CRAM-MD5"] = "504 5.5.4 not today" },
    })
    assert.equal(235, (server:login("me", "secret")))
    assert.equal("SCRAM-SHA-256 CRAM-MD5 PLAIN", tried(peer))
  end)

  it("ends with the last refusal when all refuse", function()
    local server, peer = offering({ "CRAM-MD5", "PLAIN", "LOGIN" }, { replies = { ["AUTH PLAIN"] = "535 5.7.8 first" } })
    local code, err = server:login("me", "wrong")
    assert.is_nil(code)
    assert.equal("SMTPAuthenticationError", err.name)
    assert.equal("CRAM-MD5 PLAIN LOGIN", tried(peer))
    assert.equal("these credentials are not right", err.smtp_error)
  end)

  it("stops at a temporary refusal and at 421", function()
    for _, reply in ipairs { "454 4.7.0 later", "421 4.3.2 bye" } do
      local server, peer = offering({ "PLAIN", "LOGIN" }, { replies = { ["AUTH PLAIN"] = reply } })
      local code, err = server:login("me", "secret")
      assert.is_nil(code)
      assert.equal("SMTPAuthenticationError", err.name)
      assert.is_true(err.temporary)
      assert.equal("PLAIN", tried(peer))
      assert.equal(reply:sub(1, 3) ~= "421", server:is_open())
    end
  end)

  it("can be given to login", function()
    local server, peer = offering { "SCRAM-SHA-256", "PLAIN", "LOGIN" }
    assert.equal(235, (server:login("me", "secret", { mechanisms = { "login", "PLAIN" } })))
    assert.equal("LOGIN", tried(peer))
    server, peer = offering { "PLAIN" }
    local code, err = server:login("me", "secret", { mechanisms = { "SCRAM-SHA-256" } })
    assert.is_nil(code)
    assert.equal("SMTPException", err.name)
    assert.equal("", tried(peer))
  end)
end)

describe("auth", function()
  it("takes any mechanism, passes decoded challenges and encodes the responses", function()
    local server, peer = client.connect {
      auth = USERS, replies = {
        ["AUTH X-OWN"] = "334 " .. smtplib.encode_base64("first\0challenge", 76, ""),
        ["AUTH+"] = function(_, line)
          if line == smtplib.encode_base64("an\0swer", 76, "") then return "334 " end
          if line == "" or line == "=" then return "235 2.7.0 fine" end
          return "535 no"
        end,
      },
    }
    server:ehlo()
    local challenges = {}
    local answers = { "an\0swer", "" }
    local code, message = server:auth("X-OWN", function(challenge)
      if challenge == nil then return nil end
      challenges[#challenges + 1] = challenge
      return table.remove(answers, 1)
    end)
    assert.same({ 235, "fine" }, { code, message })
    assert.same({ "first\0challenge", "" }, challenges)
    assert.equal("AUTH X-OWN", peer:commands()[2])
  end)

  it("asks for an initial response, unless it shall not", function()
    local server, peer = offering { "PLAIN" }
    assert.equal(235, (server:auth("plain", function(challenge)
      assert.is_nil(challenge)
      return "\0me\0secret"
    end)))
    assert.equal("AUTH PLAIN AG1lAHNlY3JldA==", peer:commands()[2])
    server, peer = offering { "PLAIN" }
    assert.equal(235, (server:auth("PLAIN", function(challenge)
      assert.equal("", challenge)
      return "\0me\0secret"
    end, { initial_response_ok = false })))
    assert.equal("AUTH PLAIN", peer:commands()[2])
  end)

  it("sends an empty initial response as =", function()
    local server, peer = offering({ "EXTERNAL" }, { external = true })
    assert.equal(235, (server:auth("EXTERNAL", function() return "" end)))
    assert.equal("AUTH EXTERNAL =", peer:commands()[2])
  end)

  it("works with auth_plain, auth_login and auth_cram_md5", function()
    for mechanism, method in pairs { PLAIN = "auth_plain", LOGIN = "auth_login", ["CRAM-MD5"] = "auth_cram_md5" } do
      for _, initial in ipairs { true, false } do
        local server, peer = offering { mechanism }
        server.user, server.password = "me", "secret"
        local code = server:auth(mechanism, function(challenge) return server[method](server, challenge) end,
          { initial_response_ok = initial })
        assert.equal(235, code)
        assert.equal("me", user_of(peer))
      end
    end
  end)

  it("computes CRAM-MD5 as RFC 2195 shows it", function()
    local server = smtplib.SMTP()
    server.user, server.password = "tim", "tanstaaftanstaaf"
    assert.equal("tim b913a602c7eda7a495b4e6e7334d3890",
      server:auth_cram_md5("<1896.697170952@postoffice.reston.mci.net>"))
    assert.is_nil(server:auth_cram_md5())
    assert.equal("\0tim\0tanstaaftanstaaf", server:auth_plain())
  end)

  it("cancels when the object gives nothing more, and the connection stays", function()
    local server, peer = offering { "LOGIN" }
    local code, err = server:auth("LOGIN", function() return nil end)
    assert.is_nil(code)
    assert.equal("SMTPAuthenticationError", err.name)
    assert.equal("*", client.last(peer:commands()))
    assert.equal(250, (server:noop()))
  end)

  it("cancels when the object raises, and hands that on", function()
    local own = smtplib.SMTPException("mine")
    for _, raised in ipairs { own, "oops" } do
      local server = offering { "LOGIN" }
      local code, err = server:auth("LOGIN", function(challenge)
        if challenge then error(raised, 0) end
      end)
      assert.is_nil(code)
      assert.is_true(smtplib.is_error(err, smtplib.SMTPException))
      assert.truthy(tostring(err):find(raised == own and "mine" or "oops", 1, true))
      assert.equal(250, (server:noop()))
    end
  end)

  it("gives up after 10 challenges", function()
    local asked = 0
    local server, peer = client.connect { auth = USERS, replies = { ["AUTH X"] = "334 eA==", ["AUTH+"] = function(_, line)
      return line == "*" and "501 fine" or "334 eA=="
    end } }
    server:ehlo()
    local code, err = server:auth("X", function(challenge)
      if not challenge then return nil end
      asked = asked + 1
      return "y"
    end)
    assert.is_nil(code)
    assert.equal("SMTPAuthenticationError", err.name)
    assert.equal(10, asked)
    assert.equal("*", client.last(peer:commands()))
  end)

  it("closes on a server that challenges for ever", function()
    local server = client.connect { auth = USERS, replies = { ["AUTH X"] = "334 eA==", ["AUTH+"] = "334 eA==" } }
    server:ehlo()
    local code, err = server:auth("X", function(challenge) return challenge and "y" end)
    assert.is_nil(code)
    assert.is_true(smtplib.is_error(err))
    assert.is_false(server:is_open())
  end)

  it("refuses a challenge that is no base64", function()
    for _, challenge in ipairs { "334 ***", "334 x", "334 eA==eA==" } do
      local server = client.connect { auth = USERS, replies = { ["AUTH X"] = challenge } }
      server:ehlo()
      local seen = {}
      local code, err = server:auth("X", function(c)
        seen[#seen + 1] = c
        return nil
      end)
      assert.is_nil(code)
      assert.equal("SMTPAuthenticationError", err.name)
      assert.same({}, seen)
    end
  end)

  it("hands back a refusal as SMTPAuthenticationError", function()
    local server = offering({ "PLAIN" }, { replies = { AUTH = "530 5.7.0 STARTTLS first" } })
    local code, err = server:auth("PLAIN", function() return "x" end)
    assert.is_nil(code)
    assert.same({ 530, "STARTTLS first", "5.7.0" }, { err.smtp_code, err.smtp_error, err.enhanced_code })
  end)
end)

describe("a secret in clear", function()
  local exposing = { "PLAIN", "LOGIN" }

  it("is refused towards anything but loopback: SMTPNotSupportedError, nothing sent", function()
    for _, mechanism in ipairs(exposing) do
      local server, peer = offering({ mechanism }, { loopback = false })
      local before = #peer:commands()
      local code, err = server:login("me", "secret")
      assert.is_nil(code)
      assert.equal("SMTPNotSupportedError", err.name)
      assert.equal("AUTH", err.command)
      code, err = server:auth(mechanism, function() return "x" end)
      assert.is_nil(code)
      assert.equal("SMTPNotSupportedError", err.name)
      assert.equal(before, #peer:commands())
      assert.is_true(server:is_open())
    end
    for _, mechanism in ipairs { "XOAUTH2", "OAUTHBEARER" } do
      local server, err, peer = client.try({ auth = USERS, mechanisms = { mechanism }, loopback = false },
        { auth = { mechanism = mechanism, user = "me", token = "secret" } })
      if server then
        local refused
        refused, err = server:sendmail("a@b.example", "c@d.example", "x")
        assert.is_nil(refused)
      end
      assert.equal("SMTPNotSupportedError", err.name)
      assert.equal(0, client.count(peer, "AUTH"))
    end
  end)

  it("is refused where the transport cannot say", function()
    local peer = require("spec.support.peer").new { auth = USERS, mechanisms = exposing }
    local bare = {}
    for _, name in ipairs { "connect", "send", "receive", "settimeout", "close" } do
      bare[name] = function(_, ...) return peer[name](peer, ...) end
    end
    local server = assert(smtplib.SMTP { host = "mail.example", transport = bare })
    local code, err = server:login("me", "secret")
    assert.is_nil(code)
    assert.equal("SMTPNotSupportedError", err.name)
    assert.equal(0, client.count(peer, "AUTH"))
  end)

  it("is allowed by allow_insecure_auth, and over TLS", function()
    for _, mechanism in ipairs(exposing) do
      local server = offering({ mechanism }, { loopback = false }, { allow_insecure_auth = true })
      assert.equal(235, (server:login("me", "secret")))
      server = offering({ mechanism }, { loopback = false, context = pair.server_context("server") }, tls)
      assert.equal(235, (server:login("me", "secret")))
    end
  end)

  it("is left out where a mechanism that hides it is refused", function()
    local server, peer = offering({ "SCRAM-SHA-256", "PLAIN" }, { loopback = false })
    local code, err = server:login("me", "wrong")
    assert.is_nil(code)
    assert.equal("SMTPAuthenticationError", err.name)
    assert.equal("SCRAM-SHA-256", tried(peer))
    assert.equal(235, (server:login("me", "secret")))
  end)
end)

describe("a SCRAM server that cheats", function()
  local function against(faults, mechanism, options)
    local server, peer = offering({ mechanism, "CRAM-MD5", "PLAIN", "LOGIN" }, copy({ auth_faults = faults }, options))
    local code, err = server:login("me", "secret")
    assert.is_nil(code)
    assert.equal("SMTPAuthenticationError", err.name, tostring(err))
    assert.equal("AUTH", err.command)
    assert.is_false(err.temporary)
    assert.equal(mechanism, tried(peer))
    return server
  end

  for _, mechanism in ipairs(SCRAM) do
    it("with a forged or missing signature is left at once: " .. mechanism, function()
      for _, faults in ipairs { { signature = true }, { unsigned = true } } do
        assert.is_false(against(faults, mechanism):is_open())
      end
    end)

    it("with a nonce that is not ours gets no weaker mechanism: " .. mechanism, function()
      against({ nonce = true }, mechanism)
    end)

    it("with an iteration count out of bounds gets no weaker mechanism: " .. mechanism, function()
      for _, count in ipairs { 0, 1, 100, 1e9, -4096 } do against({ iterations = count }, mechanism) end
    end)
  end

  it("with nonsense as its first message gets no weaker mechanism", function()
    for _, first in ipairs { "", "x", "r=,s=,i=", "e=other-error", "m=x,r=y,s=eA==,i=4096", "r=x", "s=eA==,r=x,i=4096" } do
      against({ server_first = first }, "SCRAM-SHA-256")
    end
  end)
end)

describe("credentials in the constructor", function()
  -- They may log in at once, or with the first envelope (RFC 4954 section 4).
  local function outcome(peer_options, options)
    local server, err, peer = client.try(peer_options, options)
    if not server then return nil, err, peer end
    peer = err
    local refused
    refused, err = server:sendmail("a@b.example", "c@d.example", "x")
    return refused, err, peer, server
  end

  it("log in", function()
    for _, credentials in ipairs {
      { user = "me", password = "secret" }, { username = "me", password = "secret" },
      { auth = { user = "me", password = "secret" } }, { auth = { username = "me", password = "secret", mechanism = "login" } },
      { auth = { user = "me", password = "secret", mechanism = "SCRAM-SHA-256", initial_response_ok = false } },
    } do
      local refused, _, peer = outcome({ auth = USERS }, credentials)
      assert.same({}, refused)
      assert.equal("me", peer.messages[1].auth_user)
    end
  end)

  it("log in again at reconnect", function()
    local _, _, peer, server = outcome({ auth = USERS, require_auth = true }, { user = "me", password = "secret" })
    server:quit()
    assert.is_true(server:reconnect())
    assert.same({}, server:sendmail("a@b.example", "c@d.example", "x"))
    assert.equal(2, #peer.messages)
  end)

  it("that are wrong are SMTPAuthenticationError, and the connection is closed or usable", function()
    local refused, err = outcome({ auth = USERS }, { user = "me", password = "wrong" })
    assert.is_nil(refused)
    assert.equal("SMTPAuthenticationError", err.name)
    assert.equal("none", err.delivery)
  end)

  it("where AUTH is not offered are SMTPNotSupportedError", function()
    local refused, err, peer = outcome({}, { user = "me", password = "secret" })
    assert.is_nil(refused)
    assert.equal("SMTPNotSupportedError", err.name)
    assert.equal(0, client.count(peer, "MAIL"))
  end)

  it("that a mechanism is named for use no other", function()
    local refused, err, peer = outcome({ auth = USERS, mechanisms = { "PLAIN" } },
      { auth = { mechanism = "CRAM-MD5", user = "me", password = "secret" } })
    assert.is_nil(refused)
    assert.is_true(smtplib.is_error(err))
    assert.equal("", tried(peer))
  end)

  for _, mechanism in ipairs { "XOAUTH2", "OAUTHBEARER" } do
    it("may be a token, by " .. mechanism, function()
      local refused, _, peer = outcome({ auth = { me = "token" }, mechanisms = { mechanism } },
        { auth = { mechanism = mechanism, user = "me", token = "token" } })
      assert.same({}, refused)
      assert.equal("me", peer.messages[1].auth_user)
      local err
      refused, err, peer = outcome({ auth = { me = "token" }, mechanisms = { mechanism } },
        { auth = { mechanism = mechanism, user = "me", token = "stale" } })
      assert.is_nil(refused)
      assert.equal("SMTPAuthenticationError", err.name)
      assert.equal(535, err.smtp_code)
      assert.equal(mechanism, tried(peer))
    end)
  end

  it("may be a function that gives a fresh token each time", function()
    local n = 0
    local users = { me = "token 1" }
    local _, _, peer, server = outcome({ auth = function(user) return users[user] end, mechanisms = { "XOAUTH2" } },
      { auth = { mechanism = "XOAUTH2", user = "me", token = function()
        n = n + 1
        return "token " .. n
      end } })
    assert.equal(1, n)
    users.me = "token 2"
    server:quit()
    assert.is_true(server:reconnect())
    server:sendmail("a@b.example", "c@d.example", "x")
    assert.equal(2, n)
    assert.equal("me", client.last(peer.messages).auth_user)
  end)

  it("whose token function fails are an error, nothing sent", function()
    local own = smtplib.SMTPException("mine")
    for _, token in ipairs {
      function() return nil, "no token today" end, function() error("no token today", 0) end, function() return nil, own end,
      function() error(own, 0) end, function() return 5 end,
    } do
      local refused, err, peer = outcome({ auth = USERS, mechanisms = { "XOAUTH2" } },
        { auth = { mechanism = "XOAUTH2", user = "me", token = token } })
      assert.is_nil(refused)
      assert.is_true(smtplib.is_error(err), tostring(err))
      assert.truthy(tostring(err):find("token", 1, true) or err == own)
      assert.equal(0, client.count(peer, "AUTH"))
    end
  end)

  it("may be a certificate, by EXTERNAL", function()
    local context = pair.server_context("server", { cafile = certs.path("ca.pem"), request_client_cert = true })
    local refused, _, peer = outcome({ auth = USERS, mechanisms = { "EXTERNAL" }, context = context }, {
      tls = "starttls", auth = { mechanism = "EXTERNAL" },
      tls_options = { cafile = certs.path("ca.pem"), certfile = certs.path("client.pem"), keyfile = certs.path("client.key") },
    })
    assert.same({}, refused)
    assert.equal("", peer:commands()[4]:match("^AUTH EXTERNAL =(.*)$"))
  end)

  it("with CR, LF or NUL in the user are an error, nothing sent", function()
    for _, bad in ipairs { "me\r", "me\n", "m\0e" } do
      local refused, err, peer = outcome({ auth = USERS, mechanisms = { "PLAIN", "LOGIN" } }, { user = bad, password = "x" })
      assert.is_nil(refused)
      assert.equal("SMTPException", err.name)
      assert.equal(0, client.count(peer, "AUTH"))
      refused, err, peer = outcome({ auth = USERS, mechanisms = { "XOAUTH2" } },
        { auth = { mechanism = "XOAUTH2", user = bad, token = "x" } })
      assert.is_nil(refused)
      assert.is_true(smtplib.is_error(err))
      assert.equal(0, client.count(peer, "AUTH"))
    end
  end)
end)
