-- What is made once and sent later, kept meanwhile: in memory while it is
-- small, else in a temporary file that has no name. Only bytes that are ready
-- for the wire come here, never a text that is still to be encrypted.

local spool = {}
spool.__index = spool

local IN_MEMORY = 1048576

function spool.new()
  return setmetatable({ size = 0, pieces = {} }, spool)
end

local function write(file, bytes)
  local ok, why = file:write(bytes)
  if not ok then return nil, "source", "temporary file: " .. why end
  return true
end

-- Without a place for temporary files, memory has to do.
local function spill(self)
  self.file = io.tmpfile()
  if not self.file then return true end
  local held = table.concat(self.pieces)
  self.pieces = {}
  return write(self.file, held)
end

---@return boolean|nil ok, string|nil why, string|nil sentence
function spool:add(bytes)
  self.size = self.size + #bytes
  if self.file then return write(self.file, bytes) end
  self.pieces[#self.pieces + 1] = bytes
  if self.size > IN_MEMORY and self.size - #bytes <= IN_MEMORY then return spill(self) end
  return true
end

--- All of it: a string, or a file that stands at its beginning.
---@return string|userdata|nil content, string|nil why, string|nil sentence
function spool:content()
  if not self.file then return table.concat(self.pieces) end
  local at, why = self.file:seek("set", 0)
  if not at then return nil, "source", "temporary file: " .. why end
  return self.file
end

return spool
