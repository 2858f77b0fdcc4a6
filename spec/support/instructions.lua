-- Instructions, which are the same each time, where seconds are not: of a C
-- program under callgrind, piece by piece, and of Lua functions in the virtual
-- machine.
local instructions = {}

local function run(command)
  local ok = os.execute(command)
  return ok == true or ok == 0
end

local function lines_of(command)
  local list = {}
  local pipe = assert(io.popen(command))
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

--- Compile a program that dumps its counts with labels (CALLGRIND_DUMP_STATS_AT)
--- and run it.
---@param sources string # C files, and flags for the linker
---@return table<string, number> # instructions by label
function instructions.of_program(sources)
  local folder = os.tmpname()
  os.remove(folder)
  assert(run("mkdir " .. folder))
  local program = folder .. "/program"
  assert(run(("%s -std=c11 -D_GNU_SOURCE -O2 -Icsrc -o %s %s"):format(os.getenv "CC" or "cc", program, sources)),
    "it does not compile")
  assert(run(("cd %s && LD_PRELOAD= valgrind -q --tool=callgrind --instr-atstart=no --callgrind-out-file=counts " ..
    "./program >said 2>&1 || { cat said; exit 1; }"):format(folder)), "it does not run under valgrind")
  local found, label = {}, nil
  for _, line in ipairs(lines_of(("grep -h -E '^(desc: Trigger|summary):' %s/counts.*"):format(folder))) do
    label = line:match("^desc: Trigger: Client Request: (.*)$") or label
    local count = line:match("^summary: (%d+)")
    if count then found[label] = tonumber(count) end
  end
  os.execute("rm -rf " .. folder)
  return found
end

local STEP = 100

--- Instructions of the virtual machine that a call takes, about. Work of C
--- functions does not count.
---@param f function
function instructions.of_call(f, ...)
  local steps, jit = 0, rawget(_G, "jit")
  if jit then jit.off() end
  local hook, mask, every = debug.gethook()
  debug.sethook(function() steps = steps + 1 end, "", STEP)
  f(...)
  debug.sethook(hook, mask, every)
  if jit then jit.on() end
  return steps * STEP
end

return instructions
