-- Sources and targets that give up: what they say comes out as they said it.
local email = require "smtplib.email"
local errors = require "smtplib.errors"
local smtplib = require "smtplib"
local Message = email.Message

local odd = { code = 7 }
local spoken = setmetatable({}, { __tostring = function() return "spoken" end })

local function with(source)
  return assert(Message { from = "a@b.example", to = "c@d.example", text = "t", attachments = { { content = source } } })
end

local function alone(source)
  local m = Message()
  m:set_payload(source)
  return m
end

local readings = {
  { "as_string", function(source) return with(source):as_string() end },
  { "write", function(source) return with(source):write(function() end) end },
  { "get_payload", function(source) return alone(source):get_payload() end },
  { "get_content", function(source) return alone(source):get_content() end },
  { "dkim.verify", function(source)
    local ok, results = email.dkim.verify(source, { key = function() end })
    return ok, results
  end },
}

describe("a source that fails", function()
  local function expect(source, check)
    for _, reading in ipairs(readings) do
      local result, err = reading[2](source)
      assert.is_nil(result, reading[1])
      assert.is_true(errors.is_error(err), reading[1])
      check(err, reading[1])
    end
  end

  for _, way in ipairs {
    { "returned", function(value) return function() return nil, value end end },
    { "raised", function(value) return function() error(value, 0) end end },
  } do
    it("with an error table gives that very table, " .. way[1], function()
      local own = smtplib.SMTPSocketError("ECONNRESET", "the store is gone")
      expect(way[2](own), function(err, name) assert.is_true(rawequal(own, err), name) end)
    end)

    it("with a string gives it, " .. way[1], function()
      expect(way[2]("boom"), function(err, name)
        assert.matches("^the %S+ source failed: boom$", err.message, name)
        assert.equal("boom", err.cause, name)
      end)
    end)

    it("with a table keeps it as the cause, and prints no address of it, " .. way[1], function()
      expect(way[2](odd), function(err, name)
        assert.matches("^the %S+ source failed$", err.message, name)
        assert.is_true(rawequal(odd, err.cause), name)
      end)
      expect(way[2](spoken), function(err, name) assert.matches("source failed: spoken$", err.message, name) end)
    end)
  end

  it("as io's functions do gives their sentence, not their number", function()
    local _, err = with(function() return nil, "Input/output error", 5 end):as_string()
    assert.equal("the content's source failed: Input/output error", err.message)
  end)
end)

describe("write", function()
  local function stopped(...)
    local count, first, second = 0, ...
    local ok, err = with("x"):write(function()
      count = count + 1
      return first, second
    end)
    return ok, err, count
  end

  it("stops when a function returns nil and an error, as an LTN12 sink does", function()
    local ok, err, count = stopped(nil, "disk full")
    assert.is_nil(ok)
    assert.equal("the target failed: disk full", err.message)
    assert.equal("disk full", err.cause)
    assert.equal(1, count)
    local own = smtplib.SMTPException("own")
    ok, err = stopped(nil, own)
    assert.is_nil(ok)
    assert.is_true(rawequal(own, err))
    ok, err = stopped(nil, odd)
    assert.is_nil(ok)
    assert.equal("the target failed", err.message)
    assert.is_true(rawequal(odd, err.cause))
  end)

  it("goes on when a function returns nothing, nil or anything else", function()
    assert.is_true((stopped()))
    assert.is_true((stopped(nil)))
    assert.is_true((stopped(1, "x")))
    assert.is_true((stopped(true)))
  end)

  it("stops when a file's write fails", function()
    local own = smtplib.SMTPException("own")
    local ok, err = with("x"):write { write = function() return nil, own end }
    assert.is_nil(ok)
    assert.is_true(rawequal(own, err))
  end)
end)
