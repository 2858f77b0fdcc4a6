-- Builds and runs probe.c: for what Lua cannot reach.
local probe = {}

local build = os.getenv("BUILD") or "build"

local function quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

local function run(command)
  local ok, _, code = os.execute(command)
  return ok == true or ok == 0 or code == 0
end

function probe.read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("*a")
  file:close()
  return bytes
end

local built = {}

-- The program, compiled with the given flags once per run; each run has a name
-- of its own, since specs of two Luas may run at once.
function probe.program(flags)
  flags = flags or ""
  if built[flags] then return built[flags] end
  local path = os.tmpname()
  local command = ("mkdir -p %s && %s -std=c11 -D_GNU_SOURCE -O1 -g -Icsrc %s -o %s spec/base/probe.c csrc/base/*.c")
  assert(run(command:format(build, os.getenv("CC") or "cc", flags, quote(path))), "probe.c does not compile")
  built[flags] = path
  return path
end

function probe.remove()
  for _, path in pairs(built) do os.remove(path) end
  built = {}
end

-- Standard output of `prefix program arguments`, given `input`.
function probe.ask(input, arguments, flags, prefix)
  local program = probe.program(flags)
  local from, to = os.tmpname(), os.tmpname()
  local file = assert(io.open(from, "wb"))
  file:write(input)
  file:close()
  assert(run(("%s %s %s <%s >%s"):format(prefix or "", quote(program), arguments, quote(from), quote(to))))
  local output = probe.read(to)
  os.remove(from)
  os.remove(to)
  return output
end

-- Instructions that the program takes for `input`, counted by callgrind.
function probe.instructions(input, arguments)
  local out = os.tmpname()
  local prefix = "valgrind --tool=callgrind --callgrind-out-file=" .. quote(out) .. " -q"
  probe.ask(input, arguments, nil, prefix)
  local total = probe.read(out):match("\nsummary: (%d+)") or probe.read(out):match("\ntotals: (%d+)")
  os.remove(out)
  return tonumber(total)
end

function probe.has(command)
  return run("command -v " .. command .. " >/dev/null 2>&1")
end

return probe
