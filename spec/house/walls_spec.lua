-- `make layers` and `make shape` are walls only if they stop somebody: each is
-- shown one planted breach at a time, in a copy of the tree.
local scratch = require "spec.house.scratch"

local function function_of(lines)
  return "int longest(void);\nint longest(void) {\n" .. ("  longest();\n"):rep(lines - 3)
    .. "  return 0;\n}\n"
end

local function nested(depth)
  local text = "int deepest(int a);\nint deepest(int a) {\n"
  for i = 1, depth do
    text = text .. ("  "):rep(i) .. "if (a > " .. i .. ") {\n"
  end
  return text .. "a++;\n" .. ("}\n"):rep(depth) .. "return a;\n}\n"
end

local function lua_function_of(lines)
  return "local function longest()\n" .. ("  longest()\n"):rep(lines - 2) .. "end\n"
end

-- wall, what is planted, where, text, what the wall must say (nil: it stands)
local cases = {
  { "layers", "engine includes mime", "csrc/engine/planted.c", '#include "mime/header.h"\n',
    "engine may not include mime/header.h" },
  { "layers", "mime includes engine", "csrc/mime/planted.c", '#include "engine/reply.h"\n',
    "mime may not include engine/reply.h" },
  { "layers", "os includes crypto", "csrc/os/planted.c", '#include "crypto/tls.h"\n',
    "os may not include crypto/tls.h" },
  { "layers", "base includes the binding", "csrc/base/planted.h", '#include "binding/binding.h"\n',
    "base may not include binding/binding.h" },
  { "layers", "OpenSSL outside of crypto", "csrc/engine/planted.h", "#include <openssl/ssl.h>\n",
    "engine may not include <openssl/ssl.h>" },
  { "layers", "Lua outside of the binding", "csrc/mime/planted.h", "#include <lua.h>\n",
    "mime may not include <lua.h>" },
  { "layers", "a system call outside of os", "csrc/binding/planted.c", "# include <sys/socket.h>\n",
    "binding may not include <sys/socket.h>" },
  { "layers", "the clock in the engine", "csrc/engine/planted.c", "#include <time.h>\n",
    "engine may not include <time.h>" },
  { "layers", "libidn2 outside of intl", "csrc/base/planted.c", "#include <idn2.h>\n",
    "base may not include <idn2.h>" },
  { "layers", "an include that names no room", "csrc/base/planted.c", '#include "buf.h"\n',
    '"buf.h" does not name its room' },
  { "layers", "a circle inside a room", "csrc/base/buf.h", '#include "base/error.h"\n',
    "include one another", { "csrc/base/error.h", '#include "base/buf.h"\n' } },
  { "layers", "a header and its part", "csrc/base/buf_part.h", '#include "base/buf.h"\n', nil,
    { "csrc/base/buf.h", '#include "base/buf_part.h"\n' } },
  { "layers", "an allocator beside base/buf", "csrc/base/planted.c", "void *p(void) { return malloc(1); }\n",
    "only base/buf.c calls malloc" },
  { "layers", "words in comments and strings", "csrc/base/planted.c",
    '/* malloc(1) */\nconst char *s = "free(s)"; // free(s)\n', nil },
  { "shape", "a function of 61 lines", "csrc/base/planted.c", function_of(61), "61 TOO MUCH" },
  { "shape", "a function of 60 lines", "csrc/base/planted.c", function_of(60), nil },
  { "shape", "nesting 4", "csrc/base/planted.c", nested(4), "4 TOO MUCH" },
  { "shape", "nesting 3", "csrc/base/planted.c", nested(3), nil },
  { "shape", "a file of 501 lines", "csrc/base/planted.c", ("int a;\n"):rep(501), "501 TOO MUCH" },
  { "shape", "a Lua function of 61 lines", "lua/planted.lua", lua_function_of(61), "61 TOO MUCH" },
  { "shape", "a Lua function of 60 lines", "lua/planted.lua", lua_function_of(60), nil },
  { "shape", "Lua nesting 4", "lua/planted.lua", "local function f(a)\n" .. ("while a do "):rep(4)
    .. ("end "):rep(4) .. "\nend\n", "4 TOO MUCH" },
}

local function append(path, text)
  local file = assert(io.open(path, "ab"))
  file:write(text)
  file:close()
end

describe("The walls of the house", function()
  local clean = { layers = 0, shape = 0 }

  for _, wall in ipairs { "layers", "shape" } do
    it("stand: make " .. wall, function()
      local output, status = scratch.run("make --no-print-directory " .. wall)
      assert.equal(clean[wall], status, output)
    end)
  end

  for _, case in ipairs(cases) do
    local wall, what, path, text, said, second = case[1], case[2], case[3], case[4], case[5], case[6]

    it(("%s: %s %s"):format(wall, what, said and "is stopped" or "passes"), function()
      local copy = scratch.copy()
      finally(function() scratch.remove(copy) end)
      scratch.run(("mkdir -p %s/$(dirname %s)"):format(copy, path))
      append(copy .. "/" .. path, text)
      if second then append(copy .. "/" .. second[1], second[2]) end

      local output, status = scratch.run(("cd %s && make --no-print-directory %s")
        :format(copy, wall))
      if said then
        assert.not_equal(0, status, output)
        assert.truthy(output:find(said, 1, true), output)
      else
        assert.equal(0, status, output)
      end
    end)
  end
end)
