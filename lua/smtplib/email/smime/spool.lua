-- What is made once and sent later, kept meanwhile: in memory while it is
-- small, else in a temporary file that has no name. Nothing that can be read is
-- written there: the caller may be about to encrypt it.

local spool = {}
spool.__index = spool

local IN_MEMORY = 1048576

---@param is_secret boolean # already encrypted: a file may hold it
function spool.new(is_secret)
  return setmetatable({ size = 0, pieces = {}, limit = is_secret and IN_MEMORY or math.huge }, spool)
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
  if self.size > self.limit and self.size - #bytes <= self.limit then return spill(self) end
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
