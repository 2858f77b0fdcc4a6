-- Medians, ratios, and tables to print.
local figures = {}

---@param list number[]
---@return number
function figures.median(list)
  local sorted = {}
  for i, value in ipairs(list) do sorted[i] = value end
  table.sort(sorted)
  local middle = math.floor((#sorted + 1) / 2)
  if #sorted % 2 == 1 then return sorted[middle] end
  return (sorted[middle] + sorted[middle + 1]) / 2
end

-- 12345 → "12,345"; small numbers keep their decimals.
local function show(value, decimals)
  local text = ("%." .. decimals .. "f"):format(value)
  local whole, rest = text:match("^(%d+)(.*)$")
  if not whole then return text end
  return whole:reverse():gsub("(%d%d%d)(%d)", "%1,%2"):gsub("(%d%d%d)(%d)", "%1,%2"):reverse() .. rest
end

-- The median of a column over a row's rounds, and of its ratio to the first
-- row's value in the same round.
local function cell(column, row, first)
  local values, ratios = {}, {}
  for round, numbers in ipairs(row.rounds) do
    values[round] = column.value(numbers)
    ratios[round] = values[round] and values[round] / column.value(first.rounds[round])
  end
  if #values == 0 then return "-", "" end
  local ratio = figures.median(ratios)
  return show(figures.median(values), column.decimals), (ratio < 100 and "%.2f" or "%.0f"):format(ratio)
end

---Print rows of {name=, rounds={numbers…}}. A column is {title=, decimals=,
---value=function(numbers)}; each is followed by its ratio to the first row.
---@param title string
---@param columns table[]
---@param rows table[]
function figures.print(title, columns, rows)
  print("\n" .. title)
  local line = { ("%-24s"):format("") }
  for _, column in ipairs(columns) do line[#line + 1] = ("%14s%7s"):format(column.title, "ratio") end
  print(table.concat(line))
  for _, row in ipairs(rows) do
    line = { ("%-24s"):format(row.name) }
    for _, column in ipairs(columns) do line[#line + 1] = ("%14s%7s"):format(cell(column, row, rows[1])) end
    print(table.concat(line))
  end
end

return figures
