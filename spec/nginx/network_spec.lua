-- How a request reaches mail servers: names through nginx's resolver, IPv6, Unix
-- sockets; and how it fails to.
local nginx = require "spec.nginx.support.nginx"
local peer = require "spec.os.peer"
local sink = require "smtplib.sink"

local names = {
  "mail.test=127.0.0.1", "six.test=::1", "silent.test=", "broken.test=servfail",
  "refusing.test=127.0.0.3",
}

local send = [[
  local options = ...
  return require("spec.nginx.support.handler").send("hello", options)
]]

describe("A request of nginx", function()
  local missing = nginx.missing()
  if missing then return pending(missing) end

  local server, mail, port_of_names, input
  setup(function()
    port_of_names, input = nginx.program("dns.py " .. table.concat(names, " "))
    mail = assert(sink.start())
    server = nginx.start {
      http = ("resolver 127.0.0.1:%d valid=1s; resolver_timeout 1s;"):format(port_of_names),
    }
  end)
  teardown(function()
    if server then server:stop() end
    if mail then mail:stop() end
    if input then input:close() end
  end)
  after_each(function() assert.equal("", server:alarms()) end)

  local function assert_sent(options, there)
    local refused, err = server:run(send, options)
    assert.same({}, refused, err and err.text)
    assert.equal(1, #(there or mail):take())
  end

  local function error_of(options)
    local refused, err = server:run(send, options)
    assert.is_nil(refused)
    assert.is_true(err.is_error)
    assert.equal("none", err.delivery)
    return err
  end

  it("finds a host by nginx's resolver", function()
    assert_sent { host = "mail.test", port = mail.port }
  end)

  it("needs no resolver for localhost and addresses", function()
    for _, host in ipairs { "localhost", "LOCALHOST.", "sub.localhost", "127.0.0.1" } do
      assert_sent { host = host, port = mail.port }
    end
  end)

  it("reaches an IPv6 address, and a name that has one", function()
    local six = sink.start { host = "::1" }
    if not six then return pending("no IPv6 on this machine") end
    finally(function() six:stop() end)
    for _, host in ipairs { "::1", "[::1]", "six.test", "localhost" } do
      assert_sent({ host = host, port = six.port }, six)
    end
  end)

  it("reaches a Unix socket", function()
    local path = peer.unix_path()
    local there = assert(sink.start { host = "unix:" .. path })
    finally(function() there:stop() end)
    assert_sent({ host = "unix:" .. path }, there)
    assert_sent({ host = path }, there)
  end)

  it("gets an error table for a name that does not exist, or cannot be found out", function()
    local cases = {
      { "nobody.test", "Host not found" },
      { "broken.test", "Server failure" },
      { "silent.test", "Operation timed out" },
    }
    for _, case in ipairs(cases) do
      local err = error_of { host = case[1], port = mail.port }
      assert.same({ "SMTPSocketError", "lookup" }, { err.name, err.code })
      assert.truthy(err.message:find(case[2], 1, true), err.message)
      assert.truthy(err.message:find(case[1], 1, true), err.message)
    end
  end)

  it("gets an error table that names the directive where nginx has no resolver", function()
    local other = nginx.start()
    finally(function() other:stop() end)
    local refused, err = other:run(send, { host = "mail.test", port = mail.port })
    assert.is_nil(refused)
    assert.same({ "SMTPSocketError", "lookup", "none" }, { err.name, err.code, err.delivery })
    assert.truthy(err.message:find("'resolver' directive", 1, true), err.message)
    assert.truthy(err.message:find("mail.test", 1, true), err.message)
    assert.equal("", other:alarms())
  end)

  it("gets an error table where nobody listens", function()
    local port = peer.free_port()
    for _, host in ipairs { "127.0.0.1", "localhost", "::1", "refusing.test" } do
      local err = error_of { host = host, port = port }
      assert.same({ "SMTPSocketError", "ECONNREFUSED", true }, { err.name, err.code, err.temporary }, host)
    end
    assert.same("ENOENT", error_of({ host = peer.unix_path() }).code)
  end)

  it("gets an error table for what is no host name", function()
    local hosts = { "a b", "a\rb", ("x"):rep(300), ("x"):rep(100000), "..", "-", "[", "%s", "exämple.test", "unix:" }
    for _, host in ipairs(hosts) do error_of { host = host, port = mail.port } end
  end)

  it("is given up after its time-outs", function()
    local cases = {
      { "greeting", { stall = { greeting = true } }, "greeting" },
      { "a reply", { stall = { MAIL = true } }, "MAIL" },
      { "the last reply", { stall = { ["."] = true } }, "DATA" },
    }
    for _, case in ipairs(cases) do
      local slow = assert(sink.start(case[2]))
      local refused, err = server:run(send, { host = slow.host, port = slow.port, timeout = { read = 0.05 } })
      slow:stop()
      assert.is_nil(refused)
      assert.same({ "SMTPSocketError", "timeout", case[3] }, { err.name, err.code, err.command })
      assert.equal(case[1] == "the last reply" and "unknown" or "none", err.delivery)
    end
  end)

  it("is given up where the server takes no more of a message", function()
    local slow = assert(sink.start { stall = { DATA_MIDDLE = 1000 } })
    finally(function() slow:stop() end)
    local refused, err = server:run([[
      local options = ...
      local server = assert(require("smtplib").SMTP(options))
      return server:sendmail("a@example.com", "b@example.org", ("0123456789\n"):rep(2000000))
    ]], { host = slow.host, port = slow.port, timeout = { send = 0.1 } })
    assert.is_nil(refused)
    assert.same({ "SMTPSocketError", "timeout", "none" }, { err.name, err.code, err.delivery })
  end)

  it("sends from the address that it is told", function()
    assert_sent { host = mail.host, port = mail.port, source_address = { "127.0.0.9", 0 } }
    local err = error_of { host = mail.host, port = mail.port, source_address = { "192.0.2.1", 0 } }
    assert.same({ "SMTPSocketError", "EADDRNOTAVAIL" }, { err.name, err.code })
  end)

  it("waits as long as nginx can where it is to wait for ever", function()
    assert_sent { host = mail.host, port = mail.port, timeout = math.huge }
    assert_sent { host = mail.host, port = mail.port, timeout = 1e9 }
    assert_sent { host = mail.host, port = mail.port, timeout = { connect = 5, send = 1e300, read = 5 } }
  end)

  it("holds the worker up with none of that", function()
    local slow = assert(sink.start { stall = { greeting = true } })
    local waiting = server:begin(send, { host = slow.host, port = slow.port })
    local looking = server:begin(send, { host = "silent.test", port = slow.port })
    assert.equal("pong", select(2, server:get("/ping")))
    slow:stop()
    assert.is_nil((nginx.result(waiting)))
    assert.is_nil((nginx.result(looking)))
  end)
end)
