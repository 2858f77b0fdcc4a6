-- Parts of a Message found by what they are for: body, attachments; content that
-- is read, containers that are made.
local email = require "smtplib.email"
local Message = email.Message

local function collect(iterator)
  local list = {}
  for part in iterator do list[#list + 1] = part end
  return list
end

local function types(iterator)
  local list = {}
  for i, part in ipairs(collect(iterator)) do list[i] = part:get_content_type() end
  return table.concat(list, " ")
end

local image = { content = "png", type = "image/png", cid = "pic" }
local file = { content = "data", filename = "d.pdf" }

local function related()
  local m = assert(Message { html = "h", inline = { image } })
  m:add_related("css", { type = "text/css" })
  return m
end

describe("get_body", function()
  for _, case in ipairs {
    { "text",                      { text = "t" },                               nil,                "text/plain" },
    { "html beside text",          { text = "t", html = "h" },                   nil,                "text/html" },
    { "related around html",       { text = "t", html = "h", inline = { image } }, nil,              "multipart/related" },
    { "html when asked for",       { text = "t", html = "h", inline = { image } }, { "html", "plain" }, "text/html" },
    { "text when asked for",       { text = "t", html = "h", attachments = { file } }, { "plain", "html" }, "text/plain" },
    { "text by its name alone",    { text = "t", html = "h", attachments = { file } }, "plain",      "text/plain" },
    { "nothing of that kind",      { text = "t" },                               { "html" },         nil },
    { "nothing for no preference", { text = "t" },                               {},                 nil },
  } do
    it("gives " .. case[1], function()
      local body = assert(Message(case[2])):get_body(case[3])
      assert.equal(case[4], body and body:get_content_type())
    end)
  end

  it("never gives an attachment, nor what is in an attached message", function()
    local m = Message()
    m:make_mixed()
    m:add_attachment("a", { type = "text/plain" })
    m:add_attachment(assert(Message { text = "inner" }))
    assert.is_nil(m:get_body())
  end)

  it("takes the root that the parameter start names", function()
    local m = email.message_from_string('Content-Type: multipart/related; start="<b>"; boundary=x\n\n' ..
      "--x\nContent-Type: text/plain\n\na\n--x\nContent-Type: text/html\nContent-ID: <b>\n\nb\n--x--\n")
    assert.equal("text/html", m:get_body { "plain", "html" }:get_content_type())
    assert.equal("text/plain", types(m:iter_attachments()))
  end)

  it("refuses what is no array of strings", function()
    assert.error_matches(function() Message():get_body(1) end, "bad argument 'preference' to 'get_body'")
    assert.error_matches(function() Message():get_body { 1 } end, "bad argument 'preference'")
  end)
end)

describe("iter_attachments", function()
  for _, case in ipairs {
    { "nothing of a single part",      function() return assert(Message { text = "t" }) end,               "" },
    { "nothing of an alternative",     function() return assert(Message { text = "t", html = "h" }) end,   "" },
    { "all but the root of a related", related,                                                            "image/png text/css" },
    { "what is beside the body",
      function() return assert(Message { text = "t", html = "h", attachments = { file, image } }) end,     "application/pdf image/png" },
    { "a second text",
      function()
        local m = Message()
        m:make_mixed()
        for _ = 1, 2 do
          local part = Message()
          part:set_content("x")
          m:attach(part)
        end
        return m
      end,                                                                                                 "text/plain" },
    { "text that is an attachment",
      function()
        local m = Message()
        m:make_mixed()
        m:add_attachment("x", { type = "text/plain" })
        return m
      end,                                                                                                 "text/plain" },
  } do
    it("gives " .. case[1], function()
      assert.equal(case[3], types(case[2]():iter_attachments()))
    end)
  end
end)

describe("iter_parts", function()
  it("gives the parts right below", function()
    local m = assert(Message { text = "t", html = "h", attachments = { file } })
    assert.equal("multipart/alternative application/pdf", types(m:iter_parts()))
    assert.equal("", types(assert(Message { text = "t" }):iter_parts()))
    assert.equal("", types(Message():iter_parts()))
  end)
end)

describe("make_mixed, make_alternative, make_related", function()
  it("take the boundary", function()
    for _, subtype in ipairs { "mixed", "alternative", "related" } do
      local m = assert(Message { text = "t" })
      m["make_" .. subtype](m, "=_mine")
      assert.equal("multipart/" .. subtype, m:get_content_type())
      assert.equal("=_mine", m:get_boundary())
      assert.matches("\n%-%-=_mine\n", m:as_string())
      assert.equal("text/plain", types(m:iter_parts()))
    end
  end)

  it("make an empty container of an empty message", function()
    local m = Message()
    m:make_related()
    assert.is_true(m:is_multipart())
    assert.equal(0, #m:get_payload())
  end)

  it("wrap a container of another kind, and convert outwards only", function()
    local m = Message()
    m["Content-Type"] = "multipart/report"
    m:set_payload {}
    m:make_mixed()
    assert.equal("multipart/report", types(m:iter_parts()))
    for _, subtype in ipairs { "mixed", "alternative", "related" } do
      assert.error_matches(function() m["make_" .. subtype](m) end,
        "cannot convert mixed to " .. subtype)
    end
  end)

  it("refuse a boundary that is none", function()
    assert.error_matches(function() Message():make_mixed("a ") end, "bad argument 'boundary' to 'make_mixed'")
    assert.error_matches(function() Message():make_mixed(1) end, "bad argument 'boundary' to 'make_mixed'")
  end)
end)

describe("get_content", function()
  it("gives text in UTF-8, whatever its charset", function()
    for charset, bytes in pairs { ["iso-8859-1"] = "caf\233", ["windows-1252"] = "caf\233", ["utf-8"] = "caf\195\169" } do
      local m = email.message_from_string("Content-Type: text/plain; charset=" .. charset .. "\n\n" .. bytes)
      assert.equal("caf\195\169", m:get_content())
      assert.equal(bytes, m:get_payload(nil, true))
    end
  end)

  it("gives text in UTF-8 whatever the charset, and other content as it is", function()
    for _, kind in ipairs { "text/plain; charset=x-nobody-knows", "text/plain", "text/plain; charset=utf-8" } do
      local m = email.message_from_string("Content-Type: " .. kind .. "\n\ncaf\233")
      assert.equal("caf\239\191\189", m:get_content())
      assert.equal("caf\233", m:get_payload(nil, true))
    end
    assert.equal("caf\233", email.message_from_string("Content-Type: application/x\n\ncaf\233"):get_content())
  end)

  it("gives nil for a multipart and for nothing", function()
    assert.is_nil(assert(Message { text = "t", html = "h" }):get_content())
    assert.is_nil(Message():get_content())
  end)
end)
