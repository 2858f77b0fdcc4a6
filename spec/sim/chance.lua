-- Chance that repeats itself: the same seed, the same numbers, in every Lua
-- (Park and Miller's generator, exact in doubles).
local Chance = {}
Chance.__index = Chance

local MODULUS, FACTOR = 2147483647, 16807

local chance = {}

---@param seed integer 1 … 2147483646
function chance.new(seed)
  local self = setmetatable({ state = (seed * 7919) % (MODULUS - 1) + 1 }, Chance)
  for _ = 1, 3 do self:number(2) end
  return self
end

---An integer from 1 to n.
function Chance:number(n)
  self.state = (self.state * FACTOR) % MODULUS
  return math.floor(self.state / MODULUS * n) + 1
end

---True once in n times.
function Chance:once_in(n)
  return self:number(n) == 1
end

function Chance:pick(list)
  return list[self:number(#list)]
end

return chance
