-- The fast paths of base64, quoted-printable and line ends give what the plain
-- ones give, at every length up to 300, on random bytes, cut anywhere: see
-- wide.c, which is compiled both ways, once more with sanitizers.

local sources = "spec/mime/wide.c csrc/base/*.c csrc/mime/encode.c csrc/mime/encode_decode.c csrc/mime/transform.c"

-- What wide.c prints when compiled with these flags.
local function output(flags)
  local program = os.tmpname()
  local pipe = assert(io.popen(("%s -std=c11 -D_GNU_SOURCE -O2 -g -Icsrc %s -o %s %s 2>&1 && %s 2>&1"):format(
    os.getenv "CC" or "cc", flags, program, sources, program)))
  local said = pipe:read "*a"
  pipe:close()
  os.remove(program)
  return said
end

-- assert.are.equal would show both texts, which are long.
local function first_difference(a, b)
  local i = 0
  for line in a:gmatch "[^\n]*\n" do
    i = i + 1
    if b:sub(1, #line) ~= line then return ("line %d: %s, %s"):format(i, line, b:match "[^\n]*") end
    b = b:sub(#line + 1)
  end
  if b ~= "" then return "one says more: " .. b:sub(1, 200) end
end

describe("fast paths", function()
  local plain

  setup(function() plain = output "-DSMTP_NO_VECTOR" end)

  it("agree with loops byte by byte", function()
    local _, cases = plain:gsub("\n", "\n")
    assert.are.equal(10 * 301 * 10, cases, plain:sub(1, 500))
    assert.is_nil(plain:match "[^\n]*wrong")
  end)

  it("give the same with vectors as without", function()
    assert.is_nil(first_difference(plain, output ""))
  end)

  it("read and write nothing beyond their bytes", function()
    local checked = output "-fsanitize=address,undefined -fno-sanitize-recover=all"
    if checked:find("cannot find -lasan", 1, true) then return pending "no sanitizer" end
    assert.is_nil(first_difference(plain, checked))
  end)
end)
