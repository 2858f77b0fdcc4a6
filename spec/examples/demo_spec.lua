-- The demo works, with the interpreter that runs this spec.

local function run(script)
  local version = _VERSION:match("%d+%.%d+")
  local interpreter = rawget(_G, "jit") and "luajit" or "lua" .. version
  local command = ("env -u LUA_INIT -u LUA_PATH_5_4 -u LUA_CPATH_5_4 LUA_PATH='%s' LUA_CPATH='%s' "
    .. "%s %s 2>&1; echo status=$?"):format(package.path, package.cpath, interpreter, script)
  local pipe = assert(io.popen(command))
  local said = pipe:read "*a"
  pipe:close()
  return said
end

describe("the demo", function()
  it("sends a message and finds it as it was", function()
    local said = run "spec/examples/demo.lua"
    assert.truthy(said:find("the demo worked\nstatus=0\n", 1, true), said)
    assert.falsy(said:find("WRONG", 1, true))
  end)
end)
