-- Values on the channel between a sink and its process.
local wire = require "smtplib.sink.wire"

local function through(value, cut)
  local reader, frame = wire.reader(), wire.frame(value) .. wire.frame "next"
  local result
  for at = 1, #frame, cut do
    reader:feed(frame:sub(at, at + cut - 1))
    if result == nil then result = reader:next() end
  end
  assert.equal("next", reader:next())
  assert.is_nil(reader:next())
  return result
end

describe("the wire of a sink", function()
  it("carries plain values unharmed, however they are cut", function()
    local values = {
      true, false, 0, -1, 1.5, 2 ^ 40, math.huge, -math.huge, "", "a", "\0\r\n\255}", {}, { 1, 2, { "x", y = false } },
      { ["k:1;"] = { { addr = "a@b" } } },
    }
    for _, value in ipairs(values) do
      for _, cut in ipairs { 1, 2, 7, 1e6 } do assert.same(value, through(value, cut)) end
    end
  end)

  it("refuses what is not data", function()
    assert.has_error(function() wire.frame { print } end,
      "a function is not plain data")
    assert.has_error(function() wire.frame(0 / 0) end, "a number that is none is not plain data")
  end)
end)
