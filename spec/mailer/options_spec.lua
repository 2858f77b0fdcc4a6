-- Where a Mailer sends: URLs, hosts with ports, what TLS is to be there, and what
-- is misuse (API section 3.5).
local certs = require "spec.support.certs"
local client = require "spec.support.client"
local farms = require "spec.mailer.farm"
local smtplib = require "smtplib"

local Mailer = smtplib.Mailer

-- What a Mailer would connect to, with what it would say there.
local function targets(...)
  local settings = Mailer(...).settings
  local list = {}
  for i, target in ipairs(settings.targets) do
    list[i] = ("%s %d %s"):format(target.host, target.port, tostring(target.tls))
  end
  return table.concat(list, ", "), settings
end

describe("A URL", function()
  local cases = {
    -- url, hosts, user, password, LMTP
    { "smtp://mx.example.org", "mx.example.org 25 opportunistic" },
    { "SMTP://mx.example.org/", "mx.example.org 25 opportunistic" },
    { "smtp://mx.example.org:2525", "mx.example.org 2525 opportunistic" },
    { "smtp://localhost", "localhost 25 false" },
    { "smtp://127.0.0.1:1025", "127.0.0.1 1025 false" },
    { "smtp://[::1]:1025", "::1 1025 false" },
    { "smtp://[2001:db8::1]", "2001:db8::1 25 opportunistic" },
    { "smtp://[2001:db8::1]:26/", "2001:db8::1 26 opportunistic" },
    { "smtp://me:secret@mx.example.org", "mx.example.org 587 starttls", "me", "secret" },
    { "smtp://me:secret@[2001:db8::1]:26", "2001:db8::1 26 starttls", "me", "secret" },
    { "smtp://me%40example.org:p%3A%2f%25%40@mx.example.org", "mx.example.org 587 starttls", "me@example.org", "p:/%@" },
    { "smtp://me@example.org:secret@mx.example.org", "mx.example.org 587 starttls", "me@example.org", "secret" },
    { "smtp://me:a:b@mx.example.org", "mx.example.org 587 starttls", "me", "a:b" },
    { "smtp://me:@mx.example.org", "mx.example.org 587 starttls", "me", "" },
    { "smtp://j%C3%BCrgen:p+w@mx.example.org", "mx.example.org 587 starttls", "jürgen", "p+w" },
    { "smtp://me:secret@localhost", "localhost 587 false", "me", "secret" },
    { "smtps://mx.example.org", "mx.example.org 465 implicit" },
    { "smtps://me:secret@mx.example.org", "mx.example.org 465 implicit", "me", "secret" },
    { "smtps://me:secret@mx.example.org:4650", "mx.example.org 4650 implicit", "me", "secret" },
    { "smtps://localhost", "localhost 465 implicit" },
    { "lmtp://127.0.0.1", "127.0.0.1 2003 false", nil, nil, true },
    { "lmtp://mx.example.org:24", "mx.example.org 24 opportunistic", nil, nil, true },
    { "lmtp:///var/run/lmtp.sock", "/var/run/lmtp.sock 0 false", nil, nil, true },
    { "smtp:///var/run/a%20b", "/var/run/a b 0 false" },
  }
  for _, case in ipairs(cases) do
    it("says where to: " .. case[1], function()
      local where, settings = targets(case[1])
      assert.equal(case[2], where)
      assert.equal(case[3], settings.smtp.user)
      assert.equal(case[4], settings.smtp.password)
      assert.equal(case[5], settings.lmtp)
    end)
  end

  it("goes with options, which have the last word", function()
    local where, settings = targets("smtp://me:secret@mx.example.org", { tls = "implicit", port = 4000, timeout = 5, user = "you" })
    assert.equal("mx.example.org 4000 implicit", where)
    assert.equal("you", settings.smtp.user)
    assert.equal("secret", settings.smtp.password)
    assert.equal("mx.example.org 587 starttls", (targets("smtp://me@mx.example.org", { password = "secret" })))
  end)

  it("that is none is misuse, and the error does not show it", function()
    for _, url in ipairs {
      "", "mx.example.org", "http://me:secret@h", "smtp:me:secret@h", "smtp://", "smtp://me:secret@", "smtp://:secret@h",
      "smtp://h/secret", "smtp://h?secret", "smtp://h#secret", "smtp://me:secret%zz@h", "smtp://me:secret%0d%0a@h",
      "smtp://me:secret%00@h", "smtp://me:secret\r\n@h", "smtp://me:secret%@h", "smtp://me@h:secret@h:bogus",
      "smtp://h\r\n:25", "smtp://h%0a", "lmtp:///a%00b", "smtp://h:65536", "smtp://me:secret@h:-1",
      "smtp://me:secret", "smtp://[::1]:secret",
    } do
      local said = client.misuse(function()
        local _ = Mailer(url)
      end)
      assert.truthy(said:find("^bad argument '%w+' to 'Mailer'"), said)
      assert.is_nil(said:find("secret", 1, true), said)
    end
  end)
end)

describe("Hosts", function()
  local cases = {
    { { host = "mx" }, "mx 25 opportunistic" },
    { { host = "mx:26" }, "mx 26 opportunistic" },
    { { host = "mx", port = 27 }, "mx 27 opportunistic" },
    { { host = "mx", port = "27" }, "mx 27 opportunistic" },
    { { host = "mx", port = 0 }, "mx 25 opportunistic" },
    { { host = "mx", port = 0, user = "u", password = "p" }, "mx 587 starttls" },
    { { host = "mx", username = "u", password = "p" }, "mx 587 starttls" },
    { { host = "mx", auth = { token = "t" } }, "mx 587 starttls" },
    { { host = "mx", tls = "implicit" }, "mx 465 implicit" },
    { { host = "mx", tls = false }, "mx 25 false" },
    { { host = "mx", tls = "starttls" }, "mx 25 starttls" },
    { { host = "127.0.0.1", tls = "starttls" }, "127.0.0.1 25 starttls" },
    { { host = "127.1.2.3" }, "127.1.2.3 25 false" },
    { { host = "127.evil.example" }, "127.evil.example 25 opportunistic" },
    { { host = "localhost.example" }, "localhost.example 25 opportunistic" },
    { { host = "::1" }, "::1 25 false" },
    { { host = "[::1]:26" }, "::1 26 false" },
    { { host = "unix:/run/mta" }, "/run/mta 0 false" },
    { { host = "/run/mta", user = "u", password = "p" }, "/run/mta 0 false" },
    { { host = "mx", lmtp = true }, "mx 2003 opportunistic" },
    { { host = { "mx1", "mx2:2525", "localhost", "[::2]:1" } }, "mx1 25 opportunistic, mx2 2525 opportunistic, localhost 25 false, ::2 1 opportunistic" },
    { { host = { "mx1", "mx2:2525" }, port = 26 }, "mx1 26 opportunistic, mx2 2525 opportunistic" },
  }
  for i, case in ipairs(cases) do
    it(("say where to (%d): %s"):format(i, case[2]), function() assert.equal(case[2], (targets(case[1]))) end)
  end

  it("are shown, and nothing else of the options", function()
    assert.equal("smtplib.Mailer (mx:587)", tostring(Mailer("smtp://me:secret@mx")))
    assert.equal("smtplib.Mailer (mx1:25, /run/mta)", tostring(Mailer { host = { "mx1", "/run/mta" } }))
    assert.equal("smtplib.Mailer", tostring(Mailer))
  end)
end)

describe("Misuse of a Mailer's options", function()
  local cases = {
    { nil, "bad argument 'options' to 'Mailer' (table expected, got no value)" },
    { 7, "bad argument 'options' to 'Mailer' (table expected, got number)" },
    { {}, "bad argument 'host' to 'Mailer' (string or table expected, got no value)" },
    { { host = 7 }, "bad argument 'host' to 'Mailer' (string or table expected, got number)" },
    { { host = "" }, "bad argument 'host' to 'Mailer' (not a host name)" },
    { { host = "a\nb" }, "bad argument 'host' to 'Mailer' (not a host name)" },
    { { host = {} }, "bad argument 'host' to 'Mailer' (host name or array of host names expected)" },
    { { host = { "a", nil, "c" } }, "bad argument 'host' to 'Mailer' (host name or array of host names expected)" },
    { { host = { mx = "a" } }, "bad argument 'host' to 'Mailer' (host name or array of host names expected)" },
    { { host = { "a", 7 } }, "bad argument 'host' to 'Mailer' (string expected, got number)" },
    { { host = "a:bogus" }, "bad argument 'port' to 'Mailer' (port number expected, got 'bogus')" },
    { { host = "a", port = "bogus" }, "bad argument 'port' to 'Mailer' (port number expected, got 'bogus')" },
    { { host = "a", port = 70000 }, "bad argument 'port' to 'Mailer' (port number expected, got '70000')" },
    { { host = "a", port = {} }, "bad argument 'port' to 'Mailer' (number or string expected, got table)" },
    { { host = "a", tiemout = 7 }, "unknown option 'tiemout'" },
    { { host = "a", [1] = 7 }, "unknown option '1'" },
    { { host = "a", timeout = 0 }, "bad argument 'timeout' to 'Mailer' (a positive number of seconds expected, got 0)" },
    { { host = "a", tls = "yes" }, "bad argument 'tls' to 'Mailer' (false, 'starttls', 'implicit' or 'opportunistic' expected, got 'yes')" },
    { { host = "a", user = "me" }, "bad argument 'password' to 'Mailer' (string expected, got no value)" },
    { { host = "a", user = "me", password = "x", auth = { token = "t" } }, "options 'user' and 'auth' exclude one another" },
    { { host = "a", pool_size = "5" }, "bad argument 'pool_size' to 'Mailer' (number expected, got string)" },
    { { host = "a", pool_size = -1 }, "bad argument 'pool_size' to 'Mailer' (a number from 0 on expected, got -1)" },
    { { host = "a", idle_timeout = -1 }, "bad argument 'idle_timeout' to 'Mailer' (a number from 0 on expected, got -1)" },
    { { host = "a", max_messages = 0 }, "bad argument 'max_messages' to 'Mailer' (a number from 1 on expected, got 0)" },
    { { host = "a", retries = -1 }, "bad argument 'retries' to 'Mailer' (a number from 0 on expected, got -1)" },
    { { host = "a", retries = true }, "bad argument 'retries' to 'Mailer' (number expected, got boolean)" },
    { { host = "a", backoff = -1 }, "bad argument 'backoff' to 'Mailer' (a number from 0 on expected, got -1)" },
    { { host = "a", backoff = "x" }, "bad argument 'backoff' to 'Mailer' (number or function expected, got string)" },
    { { host = "a", rate = 0 }, "bad argument 'rate' to 'Mailer' (messages per second expected, got 0)" },
    { { host = "a", rate = {} }, "bad argument 'rate' to 'Mailer' (number expected, got table)" },
    { { host = "a", lmtp = 1 }, "bad argument 'lmtp' to 'Mailer' (boolean expected, got number)" },
    { { host = "a", transport = {} }, "bad argument 'transport' to 'Mailer' (an object with connect, send, receive and close expected)" },
    { { host = "a", context = {}, tls_options = {} }, "options 'context' and 'tls_options' exclude one another" },
    { { host = "a", context = io.stderr }, "bad argument 'context' to 'Mailer' (a TLS context or a table of its options expected)" },
    { { host = "a", tls_options = { cafiel = "x" } }, "unknown option 'cafiel'" },
    { { host = "a", tls_options = { cafile = 7 } }, "bad argument 'cafile' to 'Mailer' (string expected, got number)" },
  }
  for i, case in ipairs(cases) do
    it(("raises (%d): %s"):format(i, case[2]), function()
      assert.equal(case[2], client.misuse(function()
        local _ = Mailer(case[1])
      end))
    end)
  end

  it("raises for options behind a URL that are none", function()
    assert.equal("bad argument 'options' to 'Mailer' (table expected, got string)", client.misuse(function()
      local _ = Mailer("smtp://a", "smtp://b")
    end))
    local nan = 0 / 0
    for _, name in ipairs { "pool_size", "idle_timeout", "max_messages", "retries", "backoff", "rate" } do
      assert.truthy(client.misuse(function()
        local _ = Mailer("smtp://a", { [name] = nan })
      end):find("bad argument '" .. name .. "'", 1, true))
    end
  end)
end)

describe("TLS settings of a Mailer", function()
  it("that cannot be used are an error of the first message, and nobody is connected to", function()
    local mailer, farm = farms.simple(nil, { tls_options = { cafile = "/nowhere/at/all.pem" }, tls = "starttls" })
    local result, err = mailer:send(farms.message())
    assert.is_nil(result)
    assert.is_true(err:is(smtplib.SMTPTLSError))
    assert.equal("none", err.delivery)
    assert.equal(0, #farm.attempts)
  end)

  it("are made into one context, so that sessions are resumed", function()
    local sink = assert(smtplib.sink.start { tls = "starttls", certfile = certs.path("server.pem"), keyfile = certs.path("server.key") })
    local mailer = Mailer {
      host = "localhost", port = sink.port, tls = "starttls", tls_options = { cafile = certs.path("ca.pem") }, max_messages = 1,
    }
    for i = 1, 3 do assert(mailer:send(farms.message(i))) end
    local stats = sink:stats()
    assert.same({ 3, 3, 2 }, { stats.connections, stats.handshakes, stats.resumed })
    sink:stop()
  end)
end)
