-- The shape of the code: the longest and the deepest functions of csrc/ and
-- lua/, and the longest files. Ends with 1 when one is over the bar: 60 lines
-- and nesting 3 for a function, 500 lines for a file.
--
--   lua5.4 spec/house/shape.lua [TOP]
local top = arg[1] or "."
package.path = (arg[0]:match("^(.*)/") or ".") .. "/?.lua;" .. package.path
local source = require "source"

local bars = { lines = 60, depth = 3, file = 500 }
local functions, files = {}, {}

local function add_function(path, name, first, last, depth)
  functions[#functions + 1] = { path = path, name = name, first = first,
    lines = last - first + 1, depth = depth }
end

-- The name in a function's head: the word before its first parenthesis.
local function name_of_head(head)
  local name = head:match("([%a_][%w_]*)%s*%b()%s*$") or head:match("([%a_][%w_]*)%s*%(")
  return name or "?"
end

-- A brace that opens a block, not an initialiser or a compound literal.
local function opens_block(before)
  return before:find("[%);{}:]%s*$") or before:find("%f[%w_]else%s*$")
    or before:find("%f[%w_]do%s*$") or before:find("^%s*$")
end

local function without_directives(code)
  local out, continued = {}, false
  for line in source.lines(code) do
    local directive = continued or line:find("^%s*#")
    continued = directive and line:find("\\%s*$") ~= nil
    out[#out + 1] = directive and "" or line
  end
  return table.concat(out, "\n") .. "\n"
end

local function measure_c(path, text)
  local code = without_directives(source.code_of_c(text))
  local stack, current = {}, nil
  local line, from = 1, 1
  for at, c in code:gmatch("()([{};\n])") do
    if c == "\n" then
      line = line + 1
    elseif c == "{" then
      local before = code:sub(from, at - 1)
      local is_block = opens_block(before)
      if #stack == 0 and before:find("%)%s*$") then
        current = { name = name_of_head(before), first = line, depth = 0, blocks = 0 }
      elseif current and is_block then
        current.blocks = current.blocks + 1
        current.depth = math.max(current.depth, current.blocks)
      end
      stack[#stack + 1] = is_block and "block" or "values"
    elseif c == "}" then
      local kind = table.remove(stack)
      if current and #stack == 0 then
        add_function(path, current.name, current.first, line, current.depth)
        current = nil
      elseif current and kind == "block" then
        current.blocks = current.blocks - 1
      end
    end
    if c ~= "\n" then from = at + 1 end
  end
end

local openers = { ["function"] = true, ["if"] = true, ["for"] = true, ["while"] = true,
  ["do"] = true, ["repeat"] = true }

local function measure_lua(path, text)
  local code = source.code_of_lua(text)
  local stack, line, loop_head = {}, 1, false
  for at, word in code:gmatch("()([%a_\n][%w_]*)") do
    if word:sub(1, 1) == "\n" then
      line = line + 1
      at, word = at + 1, word:sub(2)
    end
    if word == "do" and loop_head then
      loop_head = false
    elseif openers[word] then
      loop_head = word == "for" or word == "while"
      local outer = stack[#stack]
      local is_function = word == "function"
      stack[#stack + 1] = { kind = word, first = line, depth = 0,
        name = is_function and (code:match("^function%s*([%w_.:]*)", at) or "?"),
        level = is_function and 0 or (outer and outer.level or 0) + 1 }
    elseif word == "end" or word == "until" then
      local block = table.remove(stack)
      local outer = stack[#stack]
      if block and block.kind == "function" then
        local name = block.name ~= "" and block.name or "(anonymous)"
        add_function(path, name, block.first, line, block.depth)
      elseif block and outer then
        outer.depth = math.max(outer.depth, block.depth, block.level)
      end
    end
  end
end

local function measure(folder, pattern, how)
  for _, path in ipairs(source.files(top .. "/" .. folder, pattern)) do
    local text = source.read(path)
    local _, lines = text:gsub("\n", "")
    files[#files + 1] = { path = path, lines = lines }
    how(path, text)
  end
end

measure("csrc", "*.[ch]", measure_c)
measure("lua", "*.lua", measure_lua)

local over = 0
local function show(list, key, bar, count)
  table.sort(list, function(a, b)
    if a[key] ~= b[key] then return a[key] > b[key] end
    return a.path .. (a.name or "") < b.path .. (b.name or "")
  end)
  for i, item in ipairs(list) do
    local too_much = item[key] > bar
    if i <= count or too_much then
      print(("  %4d%s  %s%s"):format(item[key], too_much and " TOO MUCH" or "",
        item.path .. (item.first and ":" .. item.first or ""),
        item.name and " " .. item.name or ""))
    end
    if too_much then over = over + 1 end
  end
end

print("Lines of the longest functions (at most " .. bars.lines .. ")")
show(functions, "lines", bars.lines, 5)
print("Nesting of the deepest functions (at most " .. bars.depth .. ")")
show(functions, "depth", bars.depth, 5)
print("Lines of the longest files (at most " .. bars.file .. ")")
show(files, "lines", bars.file, 5)
print(("shape: %d functions in %d files, %d over the bar"):format(#functions, #files, over))
os.exit(#files > 0 and over == 0 and 0 or 1)
