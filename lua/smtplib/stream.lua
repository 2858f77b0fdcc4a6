-- What the codec modules share: their streams, and the checks of arguments.
local errors = require "smtplib.errors"

local stream = {}

-- Levels count from the caller of the public function that checks.
local BLAME = 3

---Raise an error that blames the caller of `func`, unless `value` is of the
---kind: "string", "optional string", "optional number", …
function stream.check(kind, value, name, func)
  local want = kind:match("[^ ]+$")
  if type(value) == want or (value == nil and want ~= kind) then return end
  error(("bad argument '%s' to '%s' (%s expected, got %s)"):format(name, func, want, type(value)), BLAME)
end

---The options table, empty when there is none; an unknown name raises.
function stream.options(options, known, func)
  if options == nil then return {} end
  if type(options) ~= "table" then
    error(("bad argument 'options' to '%s' (table expected, got %s)"):format(func, type(options)), BLAME)
  end
  for name, value in pairs(options) do
    local kind = known[name]
    if not kind then error(("unknown option '%s'"):format(tostring(name)), BLAME) end
    local want = kind:match("[^ ]+$")
    if type(value) ~= want then
      error(("bad option '%s' to '%s' (%s expected, got %s)"):format(name, func, want, type(value)), BLAME)
    end
  end
  return options
end

---A line width as the core takes it: a whole number of at least 4.
function stream.width(width, func)
  if width < 4 or width ~= math.floor(width) or width > 2 ^ 30 then
    error(("bad argument 'maxlinelen' to '%s' (a whole number of at least 4 expected)"):format(func), BLAME)
  end
  return width
end

---What the core returned: a string, or nil and an error table.
function stream.result(bytes, name, sentence)
  if not bytes then return nil, errors.from_core(name, sentence) end
  return bytes
end

---@class smtplib.stream
local Stream = {}
Stream.__index = Stream
Stream.__name = "smtplib.stream"

local function check_self(self, func)
  if getmetatable(self) ~= Stream then
    error(("bad argument 'self' to '%s' (stream expected; was ':' meant?)"):format(func), BLAME)
  end
end

---The next piece.
---@param chunk string
---@return string? piece "" when the codec needs more first
---@return table? err
function Stream:update(chunk)
  check_self(self, "update")
  stream.check("string", chunk, "chunk", "update")
  return stream.result(self.codec:update(chunk))
end

---The last piece; afterwards the stream may be used anew.
---@return string? piece
---@return table? err
function Stream:final()
  check_self(self, "final")
  return stream.result(self.codec:final())
end

function Stream:__tostring()
  return self.name
end

function stream.new(codec, name)
  return setmetatable({ codec = codec, name = name }, Stream)
end

return stream
