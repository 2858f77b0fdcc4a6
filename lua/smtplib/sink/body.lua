-- Collecting a message, however it is cut: up to CRLF.CRLF and nothing else
-- (RFC 5321 §4.1.1.4), or by count (BDAT, RFC 3030). Pieces are kept apart and
-- joined once, so that a large message costs linear time.

local body = {}

local Body = {}
Body.__index = Body
Body.__name = "smtplib.sink.body"

---@param limit number|nil bytes to keep; what is beyond is only counted
function body.new(limit)
  -- The CRLF that ended DATA is the line start of a first line ".".
  return setmetatable({ pieces = {}, size = 0, tail = "\r\n", limit = limit or math.huge }, Body)
end

---Take `bytes` as they are.
function Body:add(bytes)
  if bytes == "" then return end
  if self.size < self.limit then self.pieces[#self.pieces + 1] = bytes end
  self.size = self.size + #bytes
end

---Take bytes until the end of data.
---@param input string
---@param at integer where to begin
---@return boolean complete
---@return integer next position after what was taken
function Body:take(input, at)
  -- The end may be cut anywhere: look at the joint first, with a few bytes of
  -- either side, then at the rest in place.
  local tail = self.tail
  local joint = tail .. input:sub(at, at + 4)
  local _, stop = joint:find("\r\n.\r\n", 1, true)
  local last = stop and at + stop - #tail - 1
  if not last then
    _, last = input:find("\r\n.\r\n", at, true)
  end
  if last then
    self:add(input:sub(at, last))
    return true, last + 1
  end
  self:add(at == 1 and input or input:sub(at))
  self.tail = (tail .. input:sub(math.max(at, #input - 3))):sub(-4)
  return false, #input + 1
end

---Everything as it was on the wire, with the end of data.
function Body:wire()
  return table.concat(self.pieces)
end

---The message: without the final dot, leading dots unstuffed.
function Body:message()
  local wire = self:wire()
  -- CRLF before the dot belongs to the message, so a lone "." gives "".
  local text = wire:sub(1, -4):gsub("\r\n%.", "\r\n")
  return text:sub(1, 1) == "." and text:sub(2) or text
end

local function count(s, what)
  local n, at = 0, 1
  while true do
    local first, last = s:find(what, at, true)
    if not first then return n end
    n, at = n + 1, last + 1
  end
end

local function longest_line(s)
  local longest, at = 0, 1
  while true do
    local first, last = s:find("\r\n", at, true)
    longest = math.max(longest, (first or #s + 1) - at)
    if not first then return longest end
    at = last + 1
  end
end

---What a strict reader would object to.
---@param s string
---@return table findings bare_cr, bare_lf, nul, eight_bit (counts), longest_line
function body.inspect(s)
  local pairs_of = count(s, "\r\n")
  return {
    bare_cr = count(s, "\r") - pairs_of,
    bare_lf = count(s, "\n") - pairs_of,
    nul = count(s, "\0"),
    eight_bit = s:find("[\128-\255]") and true or false,
    longest_line = longest_line(s),
  }
end

return body
