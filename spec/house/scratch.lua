-- For the specs of the house: a copy of the tree in a folder of its own, and
-- commands that are run there as on a fresh clone.
local scratch = {}

---Run a shell command; nothing of an outer make reaches it.
---@param command string
---@return string output, integer status
function scratch.run(command)
  local pipe = assert(io.popen("{ unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES BUILD "
    .. "LUA_PATH LUA_CPATH SPEC_RECORD; " .. command .. "\n} 2>&1 </dev/null; echo \"status $?\""))
  local output = pipe:read("*a")
  pipe:close()
  local text, status = output:match("^(.*)status (%d+)\n$")
  return text, tonumber(status)
end

---A copy of what the repository holds, without anything built.
---@return string folder
function scratch.copy()
  local output, status = scratch.run("d=$(mktemp -d) && cp -R Makefile LICENSE csrc lua spec rockspec "
    .. "$d && echo $d")
  assert(status == 0, output)
  return (output:match("([^\n]+)\n$"))
end

---@param folder string
---@return string[] paths of all files below it
function scratch.files(folder)
  return scratch.run("cd " .. folder .. " && find . -type f | LC_ALL=C sort")
end

---@param path string
---@param text string
function scratch.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

function scratch.remove(folder)
  assert(folder:find("^/.+/.+"))
  scratch.run("rm -rf '" .. folder .. "'")
end

return scratch
