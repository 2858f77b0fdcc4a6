-- Python's email package as the judge of what we compose: messages are written
-- to files, judge.py reads them, and what it saw comes back as tables.
local judge = {}

local function from_hex(s)
  if s == "-" or s == nil then return "" end
  return (s:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end))
end

judge.available = os.execute("/usr/bin/python3 -c 'import email.policy' 2>/dev/null")
judge.available = judge.available == true or judge.available == 0

local take = {}

function take.message(list, longest)
  list[#list + 1] = { longest = tonumber(longest), parts = {}, defects = {}, addresses = {} }
end

function take.part(list, kind)
  local parts = list[#list].parts
  parts[#parts + 1] = { type = from_hex(kind), headers = {}, raw = {}, defects = {} }
end

local function last_part(list)
  local parts = list[#list].parts
  return parts[#parts]
end

function take.header(list, name, value)
  local headers = last_part(list).headers
  headers[#headers + 1] = { from_hex(name), from_hex(value) }
end

function take.address(list, name, addr)
  local addresses = list[#list].addresses
  addresses[#addresses + 1] = { from_hex(name), from_hex(addr) }
end

function take.raw(list, name, value)
  table.insert(last_part(list).raw, { from_hex(name), from_hex(value) })
end

for _, name in ipairs { "charset", "disposition", "preamble", "epilogue" } do
  take[name] = function(list, value) last_part(list)[name] = from_hex(value) end
end

function take.count(list, count) last_part(list).count = tonumber(count) end
function take.filename(list, name) last_part(list).filename = from_hex(name) end
function take.text(list, text) last_part(list).text = from_hex(text) end
function take.payload(list, bytes) last_part(list).payload = from_hex(bytes) end
function take.defect(list, name)
  table.insert(list[#list].defects, from_hex(name))
  table.insert(last_part(list).defects, from_hex(name))
end

local function collect(source)
  local chunks = {}
  for chunk in source do chunks[#chunks + 1] = chunk end
  return table.concat(chunks)
end

judge.collect = collect

local function run(arguments)
  local list = {}
  local pipe = assert(io.popen("/usr/bin/python3 spec/mime/judge.py " .. arguments))
  for line in pipe:lines() do
    local kind, first, second = line:match("^(%S+) (%S+) ?(%S*)$")
    take[kind](list, first, second)
  end
  pipe:close()
  return list
end

--- The trees that Python reads in files, as they stand there.
---@param paths string[] # without blanks
function judge.trees(paths) return run("--trees " .. table.concat(paths, " ")) end

--- What Python reads in each of the messages.
function judge.read(messages)
  local paths = {}
  for i, m in ipairs(messages) do
    paths[i] = os.tmpname()
    local file = assert(io.open(paths[i], "wb"))
    file:write(type(m) == "string" and m or collect(assert(m:source())))
    file:close()
  end
  local list = run(table.concat(paths, " "))
  for _, path in ipairs(paths) do os.remove(path) end
  return list
end

--- Random messages that Python composes, of the seeds from `seed` on.
---@return string[]
function judge.composed(seed, count)
  local folder, list = os.tmpname(), {}
  os.remove(folder)
  assert(os.execute(("mkdir %s && /usr/bin/python3 spec/mime/compose.py %d %d %s"):format(folder, seed, count, folder)))
  for i = 1, count do
    local file = assert(io.open(("%s/%d.eml"):format(folder, i - 1), "rb"))
    list[i] = file:read "*a"
    file:close()
  end
  os.execute("rm -r " .. folder)
  return list
end

--- The decoded value of a field in what was read.
function judge.header(part, name)
  for _, field in ipairs(part.headers) do
    if field[1]:lower() == name:lower() then return field[2] end
  end
end

return judge
