-- The words of a command line: --name value, --name=value, --flag, and what is
-- neither.

local arguments = {}

local function take(kind, name, value)
  if kind == "number" then
    local number = tonumber(value)
    if not number then return nil, ("--%s wants a number, not '%s'"):format(name, value) end
    return number
  end
  return value
end

local function assign(result, kind, name, value)
  if kind == "list" then
    result[name] = result[name] or {}
    table.insert(result[name], value)
  else
    result[name] = value
  end
end

---@param words string[]
---@param from number index of the first word
---@param known table name → "flag", "string", "number" or "list"
---@return table|nil values by name (hyphens as underscores), others as an array
---@return string|nil complaint
function arguments.parse(words, from, known)
  local result, at = {}, from
  while words[at] do
    local word = words[at]
    local name, value = word:match("^%-%-([%w-]+)=(.*)$")
    name = name or word:match("^%-%-([%w-]+)$")
    local key = name and name:gsub("-", "_")
    local kind = key and known[key]
    if word == "--" or not word:find("^%-.") then
      result[#result + 1] = word ~= "--" and word or nil
    elseif not kind then
      return nil, "unknown option " .. word
    elseif kind == "flag" then
      if value then return nil, ("--%s takes no value"):format(name) end
      result[key] = true
    else
      if not value then
        at = at + 1
        value = words[at]
      end
      if not value then return nil, ("--%s wants a value"):format(name) end
      local why
      value, why = take(kind, name, value)
      if value == nil then return nil, why end
      assign(result, kind, key, value)
    end
    at = at + 1
  end
  return result
end

return arguments
