-- SSLFakeFile over objects of each kind: lines whatever the pieces.
local SSLFakeFile = require "smtplib.sslfakefile"

-- An object that hands out the pieces, then nil and `err`.
local function source(method, pieces, err)
  local i = 0
  return {
    [method] = function()
      i = i + 1
      if pieces[i] then return pieces[i] end
      return nil, err or "closed"
    end,
  }
end

local function lines_of(file)
  local lines = {}
  for line in file:lines() do lines[#lines + 1] = line end
  return lines
end

describe("SSLFakeFile", function()
  local text = "one\r\n\ntwo\nrest"
  local expected = { "one\r\n", "\n", "two\n", "rest" }

  for _, method in ipairs({ "receive", "recv", "read" }) do
    it("reads lines over an object with " .. method .. ", however it is cut", function()
      for size = 1, #text do
        local pieces = {}
        for i = 1, #text, size do pieces[#pieces + 1] = text:sub(i, i + size - 1) end
        assert.are.same(expected, lines_of(SSLFakeFile(source(method, pieces))))
      end
    end)
  end

  it("reads an open Lua file", function()
    local file = io.tmpfile()
    file:write(text)
    file:seek("set")
    assert.are.same(expected, lines_of(SSLFakeFile(file)))
    file:close()
  end)

  it("can be looped over itself", function()
    local lines = {}
    for line in SSLFakeFile(source("read", { text })) do lines[#lines + 1] = line end
    assert.are.same(expected, lines)
  end)

  it("gives an empty string at the end, again and again", function()
    local file = SSLFakeFile(source("receive", { "a" }))
    assert.are.equal("a", file:readline())
    assert.are.equal("", file:readline())
    assert.are.equal("", file:readline())
  end)

  it("takes an empty string and a third value as the end and the rest", function()
    assert.are.same({ "a\n" }, lines_of(SSLFakeFile({
      recv = (function()
        local pieces = { "a\n", "" }
        return function() return table.remove(pieces, 1) end
      end)(),
    })))
    local partial = { receive = function(self)
      if self.done then return nil, "closed", "" end
      self.done = true
      return nil, "closed", "part"
    end }
    assert.are.equal("part", SSLFakeFile(partial):readline())
  end)

  it("reads at most size bytes of a line", function()
    local file = SSLFakeFile(source("receive", { "abc", "def\nx\n" }))
    assert.are.equal("ab", file:readline(2))
    assert.are.equal("", file:readline(0))
    assert.are.equal("cdef\n", file:readline(100))
    assert.are.equal("x\n", file:readline(-1))
  end)

  it("hands an error on, and keeps what came before it", function()
    local object = source("receive", { "half" }, "timeout")
    local file = SSLFakeFile(object)
    local line, err = file:readline()
    assert.is_nil(line)
    assert.are.equal("timeout", err)
    object.receive = function() return " line\n" end
    assert.are.equal("half line\n", file:readline())
  end)

  it("refuses a line without end at 65536 bytes", function()
    local file = SSLFakeFile({ receive = function() return ("x"):rep(1000) end })
    local line, err = file:readline()
    assert.is_nil(line)
    assert.are.equal("line too long", err)
    assert.are.equal(("x"):rep(66000), file:readline(66000))
    local longest = ("x"):rep(65535) .. "\n"
    assert.are.equal(longest, SSLFakeFile(source("read", { longest .. "y" })):readline())
  end)

  it("reads no more after close, and leaves the object alone", function()
    local object = source("receive", { "a\nb\n" })
    local file = SSLFakeFile(object)
    assert.are.equal("a\n", file:readline())
    assert.is_true(file:close())
    local line, err = file:readline()
    assert.is_nil(line)
    assert.are.equal("closed", err)
    assert.are.equal("SSLFakeFile (closed)", tostring(file))
  end)

  it("blames the caller for what is no source, and for a bad size", function()
    for _, object in ipairs({ 5, "x", {}, { receive = 1 } }) do
      local ok, message = pcall(function() return (SSLFakeFile(object)) end)
      assert.is_false(ok)
      assert.truthy(message:find("sslfakefile_spec.lua.*bad argument 'sock'"), message)
    end
    local file = SSLFakeFile(source("read", {}))
    assert.is_false((pcall(file.readline, file, "x")))
    assert.is_false((pcall(file.readline, file, 1.5)))
  end)
end)
