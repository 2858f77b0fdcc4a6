local core = require "smtplib.core"
local peer = require "spec.os.peer"

local function is_running(pid)
  local state = io.open("/proc/" .. pid .. "/stat")
  if not state then return false end
  local line = state:read("*l")
  state:close()
  return not line:find("%) [ZX] ")
end

describe("a child process", function()
  it("runs the function with its end of the channel and the other arguments", function()
    local child = assert(core.spawn(function(channel, word, number)
      channel:send(word .. number .. channel:receive())
    end, "a", 1))
    child:channel():send("!")
    assert.equal("a1!", child:channel():receive())
    assert.equal(0, child:wait(5))
    assert.equal(0, child:wait())
  end)

  it("ends with 1 and says why when the function fails", function()
    local interpreter = rawget(_G, "jit") and "luajit" or "lua" .. _VERSION:match("%d.%d")
    local script = "local child = require([[smtplib.core]]).spawn(function() error([[the reason]]) end)"
      .. " print([[code]], child:wait(5))"
    local pipe = assert(io.popen(("LUA_CPATH='%s' %s -e '%s' 2>&1"):format(package.cpath, interpreter, script)))
    local output = pipe:read("*a")
    pipe:close()
    assert.truthy(output:find("code\t1", 1, true), output)
    assert.truthy(output:find("the reason", 1, true), output)
  end)

  it("can be waited for in vain, and killed", function()
    local child = assert(core.spawn(function(channel) channel:receive() end))
    local code, name = child:wait(0.02)
    assert.same({ nil, "timeout" }, { code, name })
    assert.is_true(child:kill())
    assert.equal(128 + 15, child:wait(5))
    assert.equal("ESRCH", select(2, child:kill()))
  end)

  it("sees the end of the channel when the parent closes it", function()
    local child = assert(core.spawn(function(channel)
      assert(select(2, channel:receive()) == "closed")
    end))
    child:channel():close()
    assert.equal(0, child:wait(5))
  end)

  it("is killed and reaped when it is collected", function()
    local child = assert(core.spawn(function(channel) channel:receive() end))
    local pid = child:pid()
    assert.is_true(is_running(pid))
    child = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_false(is_running(pid))
  end)

  it("has only the descriptors that it was given", function()
    local client, server = peer.pair()
    local file = assert(io.open("Makefile"))
    local listing = io.popen("ls /proc/$PPID/fd 2>&1")
    local is_linux = not listing:read("*a"):find("No such file", 1, true)
    listing:close()
    if not is_linux then return pending("no /proc here") end
    local child = assert(core.spawn(function(channel, kept)
      local pipe = io.popen("ls -l /proc/$PPID/fd | grep -c -e socket: -e Makefile")
      channel:send(pipe:read("*l") .. " " .. tostring(client:is_open()) .. " " .. tostring(kept:is_open()))
      pipe:close()
    end, server))
    -- the channel and the kept one
    assert.equal("2 false true", child:channel():receive())
    file:close()
    assert.equal(0, child:wait(5))
    assert.is_true(client:is_open())
  end)

  it("collects files of the parent without closing what has got their numbers since", function()
    local files = {}
    for i = 1, 8 do files[i] = assert(io.open("Makefile")) end
    local child = assert(core.spawn(function(channel)
      local listeners = {}
      for i = 1, 8 do listeners[i] = assert(core.listen("127.0.0.1", 0)) end
      files = nil
      collectgarbage()
      collectgarbage()
      for i = 1, 8 do assert(core.tcp():connect("127.0.0.1", listeners[i]:port(), { timeout = 5 })) end
      channel:send("there")
    end))
    assert.equal("there", child:channel():receive())
    assert.equal(8, #files)
  end)

  it("collects its copies of the parent's objects without closing anything", function()
    local others = {}
    for i = 1, 3 do others[i] = assert(core.listen("127.0.0.1", 0)) end
    local sibling = assert(core.spawn(function(channel) channel:receive() end))
    local child = assert(core.spawn(function(channel)
      local mine = {}
      for i = 1, 6 do mine[i] = assert(core.listen("127.0.0.1", 0)) end
      others, sibling = nil, nil
      collectgarbage()
      collectgarbage()
      for i = 1, 6 do
        local done, name, sentence = core.tcp():connect("127.0.0.1", mine[i]:port(), { timeout = 5 })
        if not done then channel:send(name .. " " .. sentence) end
      end
      channel:send("all there")
    end))
    assert.equal("all there", child:channel():receive())
    assert.equal("timeout", select(2, sibling:wait(0)))
    assert.is_true(others[1]:fileno() ~= nil)
  end)

  it("dies with its parent", function()
    local parent = assert(core.spawn(function(channel)
      local grandchild = assert(core.spawn(function(inner) inner:receive() end))
      channel:send(tostring(grandchild:pid()))
      channel:receive()
    end))
    local pid = parent:channel():receive()
    assert.is_true(is_running(pid))
    parent:kill(9)
    parent:wait(5)
    for _ = 1, 100 do
      if not is_running(pid) then break end
      peer.sleep(0.01)
    end
    assert.is_false(is_running(pid))
  end)

  it("does not write out again what the parent had buffered", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:setvbuf("full")
    file:write("once")
    local child = assert(core.spawn(function() end))
    assert.equal(0, child:wait(5))
    file:close()
    file = assert(io.open(path))
    assert.equal("once", file:read("*a"))
    file:close()
    os.remove(path)
  end)

  it("needs a function", function()
    assert.is_false((pcall(core.spawn, "ls")))
  end)
end)
