-- What a user gets from `luarocks make` and from `make install`: built in a
-- copy of the tree, loaded from where it was installed to. Each Lua that runs
-- this spec installs for itself.
local scratch = require "spec.house.scratch"

local jit = rawget(_G, "jit")
local version = _VERSION:match("%d+%.%d+")
local lua = jit and "luajit" or "lua" .. version
local abi = jit and "jit" or version
local headers = jit and "/usr/include/luajit-2.1" or "/usr/include/lua" .. version

-- A program that sees only what was installed below `tree`.
local function installed(tree, program)
  return scratch.run(([[cd / && \
    LUA_PATH='%s/share/lua/%s/?.lua' LUA_CPATH='%s/lib/lua/%s/?.so' %s -e '%s']])
    :format(tree, version, tree, version, lua, program))
end

local show_version = [[io.write(require("smtplib")._VERSION)]]

describe("The installed module", function()
  local copy, tree

  setup(function()
    copy = scratch.copy()
    tree = copy .. "/tree"
  end)

  teardown(function()
    scratch.remove(copy)
  end)

  describe("as LuaRocks installs it", function()
    local output, status, before, after

    setup(function()
      before = scratch.files(copy)
      output, status = scratch.run(("cd %s && luarocks --lua-version=%s --tree=tree make "
        .. "rockspec/smtplib-scm-1.rockspec LUA_INCDIR=%s"):format(copy, version, headers))
      after = scratch.run(("cd %s && find . -type f -not -path './build/*' -not -path './tree/*'"
        .. " | LC_ALL=C sort"):format(copy))
    end)

    it("is built and installed without a network", function()
      assert.equal(0, status, output)
    end)

    it("loads", function()
      local text, loaded = installed(tree, show_version)
      assert.equal(0, loaded, text)
      assert.truthy(text:find("^smtplib %d+%.%d+"), text)
    end)

    it("brings every Lua file of the tree", function()
      assert.equal(scratch.files(copy .. "/lua"),
        (scratch.files(tree .. "/share/lua/" .. version)))
    end)

    it("brings the command", function()
      local text, told = scratch.run(tree .. "/bin/smtplib --help")
      assert.equal(0, told, text)
      assert.truthy(text:find("sink"), text)
    end)

    it("leaves nothing in the tree but build/", function()
      assert.equal(before, after)
    end)
  end)

  describe("as make installs it", function()
    local output, status, destination

    setup(function()
      destination = copy .. "/destination"
      output, status = scratch.run(("cd %s && make install ABI=%s PREFIX=/usr DESTDIR=%s")
        :format(copy, abi, destination))
    end)

    it("is installed below DESTDIR and PREFIX", function()
      assert.equal(0, status, output)
    end)

    it("loads", function()
      local text, loaded = installed(destination .. "/usr", show_version)
      assert.equal(0, loaded, text)
      assert.truthy(text:find("^smtplib %d+%.%d+"), text)
    end)

    it("brings the command, for the same Lua", function()
      local text = scratch.run("head -n 1 " .. destination .. "/usr/bin/smtplib")
      assert.equal("#!/usr/bin/env " .. lua .. "\n", text)
    end)

    it("brings a command that finds it below any PREFIX", function()
      local prefix = copy .. "/elsewhere"
      local said, made = scratch.run(('cd %s && make install ABI=%s PREFIX=%s'):format(copy, abi, prefix))
      assert.equal(0, made, said)
      local text, told = scratch.run(("cd / && env -u LUA_PATH -u LUA_CPATH '%s/bin/smtplib' --help"):format(prefix))
      assert.equal(0, told, text)
      assert.truthy(text:find("sink"), text)
    end)
  end)

  it("is not built from the objects of another Lua", function()
    local other = scratch.run(("cd %s && make -n LUA_INCDIR=/usr/include/lua5.0"):format(copy))
    assert.truthy(other:find("-c csrc/binding/module.c -o build/rock-usr-include-lua5.0/", 1, true),
      other)
  end)

  it("is built anew when the flags change", function()
    scratch.run(("cd %s && make V=1 ABIS=%s"):format(copy, abi))
    local same = scratch.run(("cd %s && make V=1 ABIS=%s"):format(copy, abi))
    assert.is_nil(same:find("-c csrc/base/buf.c", 1, true), same)
    local other = scratch.run(("cd %s && make V=1 ABIS=%s CFLAGS=-O0 build/core/base/buf.o")
      :format(copy, abi))
    assert.truthy(other:find("-c csrc/base/buf.c", 1, true), other)
  end)
end)
