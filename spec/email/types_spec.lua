-- The type of an attachment by the name of its file.
local email = require "smtplib.email"
local types = require "smtplib.email.types"
local Message = email.Message

local function type_of(opts)
  local m = assert(Message { text = "t", attachments = { opts } })
  return m:get_payload(2):get_content_type()
end

local function write(bytes)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  return path
end

describe("the type of an attachment", function()
  local system, path = types.system, nil
  before_each(function()
    path = write("# types\n" ..
      "application/x-ours   ours OUR2 # and a comment: not-this\n" ..
      "application/x-other\tours\r\n" ..
      "application/pretends pdf\n" ..
      "application/lonely\n" ..
      "  chemical/x-pdb pdb\n" ..
      "not-a-type bad1\na/b/c bad2\ntext/\"x bad3\n" ..
      "message/rfc822 mht\nmultipart/mixed mixed\nMessage/News news\n" ..
      "application/x-c++ c++\n#application/none hidden\n")
    types.system = path
  end)
  after_each(function()
    types.system = system
    os.remove(path)
  end)

  it("that is known here does not depend on the system", function()
    assert.equal("application/pdf", type_of { content = "x", filename = "a.pdf" })
    types.system = "/nonexistent"
    assert.equal("application/pdf", type_of { content = "x", filename = "a.PDF" })
  end)

  it("that is not known here is the one that the system lists first", function()
    for name, expected in pairs {
      ["a.ours"] = "application/x-ours", ["A.OUR2"] = "application/x-ours", ["x.pdb"] = "chemical/x-pdb",
      ["x.c++"] = "application/x-c++", ["x.hidden"] = "application/octet-stream", ["x.#"] = "application/octet-stream",
      ["x.not-this"] = "application/octet-stream", ["x.lonely"] = "application/octet-stream",
    } do
      assert.equal(expected, type_of { content = "x", filename = name })
    end
  end)

  it("is application/octet-stream where the system lists none, or nonsense, or what cannot be base64", function()
    for _, name in ipairs { "x.bad1", "x.bad2", "x.bad3", "x.mht", "x.mixed", "x.news", "x.nothing", "x.", "x", "ours", ".ours.", "a.b/ours" } do
      assert.equal("application/octet-stream", type_of { content = "x", filename = name }, name)
    end
  end)

  it("is application/octet-stream where the system has no list", function()
    for _, missing in ipairs { "/nonexistent", "/tmp" } do
      types.system = missing
      assert.equal("application/octet-stream", type_of { content = "x", filename = "a.ours" })
    end
  end)

  it("is told from the path, or from the name given for it, or is the one that is given", function()
    local file = write("x")
    os.rename(file, file .. ".ours")
    file = file .. ".ours"
    assert.equal("application/x-ours", type_of { path = file })
    assert.equal("image/png", type_of { path = file, filename = "a.png" })
    assert.equal("audio/x-own", type_of { path = file, filename = "a.png", type = "audio/x-own" })
    os.remove(file)
  end)

  it("reads the system's list once", function()
    assert.equal("application/x-ours", types.guess("a.ours"))
    local out = assert(io.open(path, "wb"))
    out:write("application/x-later ours\n")
    out:close()
    assert.equal("application/x-ours", types.guess("a.ours"))
  end)

  it("is the system's own for what is only listed there", function()
    types.system = system
    local file = io.open(system)
    local text = file and file:read("*a") or ""
    if file then file:close() end
    local listed = text:match("\napplication/x%-go%-sgf[ \t]+sgf") and "application/x-go-sgf" or "application/octet-stream"
    assert.equal(listed, type_of { content = "x", filename = "game.sgf" })
  end)
end)
