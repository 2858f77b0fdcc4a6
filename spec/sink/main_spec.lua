-- The command `smtplib`.
local core = require "smtplib.core"
local main = require "smtplib.main"
local sink = require "smtplib.sink"

local function stream()
  local parts = {}
  return {
    write = function(self, ...)
      for _, part in ipairs { ... } do parts[#parts + 1] = tostring(part) end
      return self
    end,
    flush = function() end,
    text = function() return table.concat(parts) end,
  }
end

local function run(words, input)
  local streams = { out = stream(), err = stream(), input = input }
  local status = main(words, streams)
  return status, streams.out.text(), streams.err.text()
end

local function with_file(text, use)
  local name = os.tmpname()
  local file = assert(io.open(name, "wb"))
  file:write(text)
  file:close()
  use(name)
  os.remove(name)
end

describe("the command smtplib", function()
  it("explains itself", function()
    for _, words in ipairs { { "--help" }, { "help" }, { "-h" } } do
      local status, out = run(words)
      assert.equal(0, status)
      for _, name in ipairs { "smtplib send", "smtplib sink", "smtplib probe" } do
        assert.truthy(out:find(name, 1, true))
      end
    end
    local status, out = run { "send", "--help" }
    assert.equal(0, status)
    assert.truthy(out:find("^smtplib send") and not out:find("smtplib sink", 1, true))
  end)

  it("complains about wrong words, and ends with 2", function()
    local rows = {
      { {}, "smtplib send" }, { { "fly" }, "unknown command 'fly'" },
      { { "send", "--form", "a" }, "unknown option --form" },
      { { "send", "--port", "x" }, "--port wants a number, not 'x'" },
      { { "send", "--from" }, "--from wants a value" },
      { { "send", "--debug=1" }, "--debug takes no value" },
      { { "send", "--to", "b@y" }, "--from is missing" },
      { { "send", "--from", "b@y" }, "--to is missing" },
      { { "sink", "--auth", "x" }, "--auth wants USER:PASSWORD" },
      { { "probe" }, "one HOST[:PORT] is wanted" },
    }
    for _, row in ipairs(rows) do
      local status, _, err = run(row[1])
      assert.equal(2, status)
      assert.truthy(err:find(row[2], 1, true), err)
    end
  end)

  describe("with a server", function()
    local server
    after_each(function()
      if server then server:stop() end
      server = nil
    end)

    it("sends a file to several recipients over verified TLS", function()
      server = assert(sink.start { tls = "starttls", replies = { ["RCPT no@y"] = "550 no" } })
      with_file("Subject: hi\n\nbody\n", function(name)
        local status, _, err = run { "send", "--host", server.host, "--port=" .. server.port,
          "--starttls", "--cafile", server.cafile, "--from", "a@x", "--to", "b@y", "--to", "no@y",
          name }
        assert.equal("refused: no@y: 550 no\n", err)
        assert.equal(1, status)
      end)
      local message = server:wait(1, 5)[1]
      assert.equal("Subject: hi\r\n\r\nbody\r\n", message.data)
      assert.truthy(message.tls)
    end)

    it("ends with 75 when it is worth trying again", function()
      server = assert(sink.start { replies = { MAIL = "451 later" } })
      with_file("x", function(name)
        assert.equal(75, (run { "send", "--host", server.host, "--port", tostring(server.port),
          "--from", "a@x", "--to", "b@y", name }))
      end)
      with_file("x", function(name)
        local status, _, err = run { "send", "--host", server.host, "--port",
          tostring(server.port), "--tls", "starttls", "--from", "a@x", "--to", "b@y", name }
        assert.equal(1, status)
        assert.truthy(err:find("^smtplib send: SMTP"))
      end)
    end)

    it("probes: greeting, extensions, certificate good and bad, mechanisms", function()
      server = assert(sink.start { tls = "starttls", auth = { me = "secret" } })
      local words = { "probe", ("%s:%d"):format(server.host, server.port), "--cafile",
        server.cafile }
      local status, out, err = run(words)
      assert.same({ 0, "" }, { status, err })
      local before, behind = out:match("^(.*)\nwith STARTTLS\n(.*)$")
      assert.truthy(before:find "greeting +220 sink%.example ESMTP ready\n")
      assert.truthy(before:find "extensions +8BITMIME\n")
      assert.truthy(before:find "STARTTLS\n")
      assert.truthy(behind:find "certificate +good\n")
      assert.truthy(behind:find("AUTH SCRAM-SHA-512-PLUS", 1, true))
      status, out = run { "probe", words[2] }
      assert.equal(1, status)
      assert.truthy(out:find "certificate +BAD: self.signed certificate")
      assert.truthy(out:find("AUTH SCRAM-SHA-512-PLUS", 1, true))
    end)

    it("probes TLS from the first byte", function()
      server = assert(sink.start { tls = "implicit" })
      local host = ("%s:%d"):format(server.host, server.port)
      local status, out = run { "probe", host, "--tls", "implicit", "--cafile", server.cafile }
      assert.equal(0, status)
      assert.truthy(out:find "certificate +good\n")
      status, out = run { "probe", host, "--tls", "implicit" }
      assert.equal(1, status)
      assert.truthy(out:find "certificate +BAD: ")
    end)

    it("says when nobody is there", function()
      server = assert(sink.start())
      local host = ("%s:%d"):format(server.host, server.port)
      server:stop()
      local status, _, err = run { "probe", host }
      assert.equal(1, status)
      assert.truthy(err:find("^smtplib probe: SMTPSocketError: "))
    end)
  end)

  it("is a sink that prints what arrives", function()
    local version = _VERSION:match("%d+%.%d+")
    local command = ("env -u LUA_INIT -u LUA_PATH_5_4 -u LUA_CPATH_5_4 LUA_PATH='%s' "
      .. "LUA_CPATH='%s' %s -e '%s'"):format(package.path, package.cpath,
      rawget(_G, "jit") and "luajit" or "lua" .. version,
      [[os.exit(require("smtplib.main"){"sink", "--port", "0", "--count", "1"})]])
    local pipe = assert(io.popen(command))
    local client = core.tcp()
    assert(client:connect("127.0.0.1", tonumber(pipe:read "*l":match ":(%d+)$"), { timeout = 5 }))
    assert(client:send "EHLO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 4 LAST\r\nhi\r\n")
    assert.equal("#1 from <a@x> to <b@y>, 4 bytes, in clear\nhi\n\n", pipe:read "*a")
    pipe:close()
    client:close()
  end)
end)
