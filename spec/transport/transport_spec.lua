local transport = require "smtplib.transport"
local socket = require "smtplib.socket"
local core = require "smtplib.core"
local peer = require "spec.os.peer"

-- What is asked of every transport.
local required = { "connect", "send", "receive", "settimeout", "close" }

local function with_ngx(fake, f)
  local before = rawget(_G, "ngx")
  rawset(_G, "ngx", fake)
  local ok, err = pcall(f)
  rawset(_G, "ngx", before)
  if not ok then error(err, 0) end
end

describe("transport.choose", function()
  it("gives the system's streams outside nginx", function()
    local stream = transport.choose()
    assert.equal("userdata", type(stream))
    for _, name in ipairs(required) do assert.equal("function", type(stream[name]), name) end
  end)

  it("gives cosockets inside nginx", function()
    with_ngx({ get_phase = function() return "content" end, socket = {} }, function()
      local stream = transport.choose()
      assert.truthy(tostring(stream):find("smtplib.transport.ngx", 1, true))
      for _, name in ipairs(required) do assert.equal("function", type(stream[name]), name) end
    end)
  end)

  it("is not misled by a global that is not nginx's", function()
    with_ngx({}, function() assert.equal("userdata", type(transport.choose())) end)
  end)
end)

describe("socket.create_connection", function()
  it("connects", function()
    local listener = assert(core.listen("127.0.0.1", 0))
    local stream = assert(socket.create_connection { "127.0.0.1", listener:port() })
    local server = assert(listener:accept(5))
    assert(stream:send("hello"))
    assert.equal("hello", server:receive())
  end)

  it("binds the source address", function()
    local listener = assert(core.listen("127.0.0.1", 0))
    local stream = assert(socket.create_connection({ "127.0.0.1", listener:port() }, 5, { "127.0.0.3", 0 }))
    assert.equal("127.0.0.3", (assert(listener:accept(5)):peer()))
    stream:close()
  end)

  it("returns an error table for what fails", function()
    local rows = {
      -- address, class, code
      { { "127.0.0.1", peer.free_port() }, "SMTPSocketError", "ECONNREFUSED" },
      { { "no-such-host.invalid", 25 }, "SMTPSocketError", "lookup" },
      { { "/no/such/socket", 0 }, "SMTPSocketError", "ENOENT" },
      { { "a\r\nb", 25 }, "SMTPException", nil },
      { { "a\0b", 25 }, "SMTPException", nil },
      { { "", 25 }, "SMTPException", nil },
    }
    for i, row in ipairs(rows) do
      local stream, err = socket.create_connection(row[1], 20)
      assert.is_nil(stream)
      assert.equal(row[2], err.name, "row " .. i)
      assert.equal(row[3], err.code, "row " .. i)
    end
  end)

  it("raises on misuse, blaming the caller", function()
    local rows = {
      -- arguments, what is named
      { {}, "address" },
      { { "localhost" }, "address" },
      { { { "localhost" } }, "address" },
      { { { "localhost", "25" } }, "address" },
      { { { "localhost", 65536 } }, "address" },
      { { { "localhost", 25 }, 0 }, "timeout" },
      { { { "localhost", 25 }, -1 }, "timeout" },
      { { { "localhost", 25 }, 0 / 0 }, "timeout" },
      { { { "localhost", 25 }, "1" }, "timeout" },
      { { { "localhost", 25 }, 1, "127.0.0.1" }, "source_address" },
    }
    for i, row in ipairs(rows) do
      local ok, err = pcall(function() -- the result is kept: no tail call
        local stream = socket.create_connection(row[1][1], row[1][2], row[1][3])
        return stream
      end)
      assert.is_false(ok, "row " .. i)
      assert.truthy(err:find("transport_spec.lua:", 1, true), err)
      assert.truthy(err:find("bad argument '" .. row[2] .. "' to 'create_connection'", 1, true), err)
    end
  end)
end)

describe("the host's name", function()
  it("is the system's, and the full name adds no query", function()
    local pipe = io.popen("uname -n")
    local name = pipe:read("*l")
    pipe:close()
    assert.equal(name, socket.gethostname())
    assert.equal(name, socket.getfqdn())
  end)
end)
