-- Who may include whom, checked on every #include line of csrc/: the rooms
-- depend one way, each touches at most one thing of the outside world, and
-- inside a room includes make no circle (a file and its parts, address and
-- address_token, count as one). Ends with 1 and one line for each
-- breach.
--
--   lua5.4 spec/house/layers.lua [TOP]
local top = arg[1] or "."
package.path = (arg[0]:match("^(.*)/") or ".") .. "/?.lua;" .. package.path
local source = require "source"

local function set(words)
  local found = {}
  for word in words:gmatch("%S+") do
    found[word] = true
  end
  return found
end

local c_headers = set [[ assert.h ctype.h errno.h float.h inttypes.h limits.h math.h
  stdarg.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h
  emmintrin.h immintrin.h arm_neon.h ]]

-- room: rooms that it may include, system headers beside those of C and the processor, as
-- patterns of their names.
local rooms = {
  base    = { set "", { "^time%.h$" } },
  crypto  = { set "base", { "^openssl/", "^time%.h$" } },
  engine  = { set "base crypto", {} },
  intl    = { set "base", { "^idn2%.h$", "^iconv%.h$" } },
  mime    = { set "base intl", {} },
  os      = { set "base", { "^sys/", "^net/", "^netinet/", "^arpa/", "^unistd%.h$", "^poll%.h$",
              "^netdb%.h$", "^fcntl%.h$", "^signal%.h$", "^spawn%.h$", "^pwd%.h$", "^time%.h$",
              "^ifaddrs%.h$", "^pthread%.h$", "^langinfo%.h$", "^dirent%.h$" } },
  binding = { set "base crypto engine intl mime os", { "^lua%.h$", "^lauxlib%.h$", "^lualib%.h$" } },
}
-- Files that alone may have one header more.
local exceptions = {
  ["base/pattern"] = set "regex.h",
  ["crypto/tls_trust"] = set "dirent.h", -- is there anything in a folder of certificates?
}

local breaches = {}
local function breach(...)
  breaches[#breaches + 1] = ("%s:%d: %s"):format(...)
end

-- Parts of a whole that are not named after it.
local parts = {
  ["engine/session"] = "engine/engine", -- the inside of the engine, for exchange, flow and wire
}

local stems = {}    -- room/file without ending -> true
local includes = {} -- { from stem, to stem, path, line } inside one room

local function check_system(path, number, room, stem, header)
  if c_headers[header] or (exceptions[stem] and exceptions[stem][header]) then return end
  for _, pattern in ipairs(rooms[room][2]) do
    if header:find(pattern) then return end
  end
  breach(path, number, ("%s may not include <%s>"):format(room, header))
end

local function check_own(path, number, room, stem, name)
  local other = name:match("^(%w+)/")
  if not other or not rooms[other] then
    breach(path, number, ('"%s" does not name its room'):format(name))
  elseif other ~= room and not rooms[room][1][other] then
    breach(path, number, ("%s may not include %s"):format(room, name))
  elseif other == room then
    local target = name:gsub("%.%w+$", "")
    includes[#includes + 1] = { stem, target, path, number }
  end
end

local function check_file(path)
  local name = path:sub(#top + 2):gsub("^csrc/", "")
  local room = name:match("^(%w+)/")
  if not rooms[room] then
    return breach(path, 1, "no such room in spec/house/layers.lua")
  end
  local stem = name:gsub("%.%w+$", "")
  stems[stem] = true
  local text = source.read(path)
  local number = 0
  for line in source.lines(text) do
    number = number + 1
    local system = line:match("^%s*#%s*include%s*<([^>]+)>")
    local own = line:match('^%s*#%s*include%s*"([^"]+)"')
    if system then check_system(path, number, room, stem, system) end
    if own then check_own(path, number, room, stem, own) end
  end
  if name ~= "base/buf.c" then
    number = 0
    for line in source.lines(source.code_of_c(text)) do
      number = number + 1
      local call = line:match("%f[%w_](%l*alloc)%s*%(") or line:match("%f[%w_](free)%s*%(")
      if call and (call == "free" or call:find("^[mc]?alloc$") or call == "realloc") then
        breach(path, number, "only base/buf.c calls " .. call)
      end
    end
  end
end

-- A part is named after its whole: tls_session belongs to tls where that exists.
local function unit_of(stem)
  if parts[stem] then return parts[stem] end
  local whole = stem:match("^(.*/.+)_[^_/]*$")
  while whole do
    if stems[whole] then return unit_of(whole) end
    whole = whole:match("^(.*/.+)_[^_/]*$")
  end
  return stem
end

-- A walk along the includes; whoever is met again while still being walked
-- closes a circle.
local graph, state = {}, {}
local function walk(unit)
  state[unit] = "open"
  for _, edge in ipairs(graph[unit] or {}) do
    local target = edge[2]
    if state[target] == "open" then
      breach(edge[3], edge[4], ("%s and %s include one another"):format(unit, target))
    elseif not state[target] then
      walk(target)
    end
  end
  state[unit] = "done"
end

local function walk_all()
  local order = {}
  for _, edge in ipairs(includes) do
    local from, to = unit_of(edge[1]), unit_of(edge[2])
    if from ~= to then
      if not graph[from] then
        graph[from] = {}
        order[#order + 1] = from
      end
      table.insert(graph[from], { from, to, edge[3], edge[4] })
    end
  end
  for _, unit in ipairs(order) do
    if not state[unit] then walk(unit) end
  end
end

local files = source.files(top .. "/csrc", "*.[ch]")
for _, path in ipairs(files) do
  check_file(path)
end
walk_all()

table.sort(breaches)
for _, text in ipairs(breaches) do
  print(text)
end
print(("layers: %d files, %d breaches"):format(#files, #breaches))
os.exit(#files > 0 and #breaches == 0 and 0 or 1)
