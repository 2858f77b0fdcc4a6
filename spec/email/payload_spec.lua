-- Payloads of a Message, classic and modern, and the tree that they make.
local email = require "smtplib.email"
local Message = email.Message

-- The tree as text: types by depth.
local function tree(m)
  local text = m:get_content_type()
  if not m:is_multipart() then return text end
  local parts = {}
  for i, part in ipairs(m:get_payload()) do parts[i] = tree(part) end
  return text .. "(" .. table.concat(parts, " ") .. ")"
end

describe("set_payload", function()
  it("takes text, which get_payload gives back", function()
    local m = Message()
    m:set_payload("hello")
    assert.equal("hello", m:get_payload())
    assert.equal("hello", m:get_payload(nil, true))
    m:set_payload(nil)
    assert.is_nil(m:get_payload())
  end)

  it("takes an array of parts, counted from 1", function()
    local m, a, b = Message(), Message(), Message()
    m:set_payload { a, b }
    assert.is_true(m:is_multipart())
    assert.equal(a, m:get_payload(1))
    assert.equal(b, m:get_payload(2))
    assert.is_nil(m:get_payload(3))
    assert.is_nil(m:get_payload(nil, true))
  end)

  it("with a charset names it and has the payload encoded", function()
    local m = Message()
    m:set_payload("Gr\195\188\195\159e", "utf-8")
    assert.equal("text/plain; charset=\"utf-8\"", m["Content-Type"])
    assert.equal("1.0", m["MIME-Version"])
    assert.equal("utf-8", m:get_content_charset())
    assert.equal("utf-8", m:get_charset())
    assert.equal("Gr\195\188\195\159e", m:get_payload(nil, true))
    assert.is_nil(m:as_bytes():match("[\128-\255]"))
  end)

  it("takes non-ASCII text without a charset for UTF-8", function()
    local m = Message()
    m:set_payload("Gr\195\188\195\159e")
    assert.equal('MIME-Version: 1.0\nContent-Type: text/plain; charset="utf-8"\n' ..
      "Content-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe", m:as_string())
    assert.equal(0, #m) -- the caller's message is not changed
  end)

  it("respects a transfer encoding that was set by hand, and undoes it on request", function()
    for encoding, payload in pairs { base64 = "aMOpbGxv\n", ["quoted-printable"] = "h=C3=A9llo" } do
      local m = Message()
      m["Content-Transfer-Encoding"] = encoding
      m:set_payload(payload)
      assert.equal(payload, m:get_payload())
      assert.equal("h\195\169llo", m:get_payload(nil, true))
      assert.equal("Content-Transfer-Encoding: " .. encoding .. "\n\n" .. payload, m:as_string())
    end
  end)

  for _, bad in ipairs { 1, true, { 1 }, { Message(), "x" } } do
    it("refuses " .. type(bad), function()
      assert.error_matches(function() Message():set_payload(bad) end, "bad argument 'payload' to 'set_payload'")
    end)
  end
end)

describe("attach", function()
  it("makes a multipart/mixed of an empty message", function()
    local m, part = Message(), Message()
    part:set_payload("x")
    m:attach(part)
    assert.equal("multipart/mixed(text/plain)", tree(m))
    assert.equal(part, m:get_payload(1))
  end)

  it("keeps the type that was set", function()
    local m = Message()
    m["Content-Type"] = "multipart/report"
    m:attach(Message())
    assert.equal("multipart/report(text/plain)", tree(m))
    assert.matches("multipart/report; boundary=", (m:as_string():gsub("\n ", " ")))
  end)

  it("refuses text, itself, a circle, and a message with text", function()
    local m, part = Message(), Message()
    m:attach(part)
    assert.error_matches(function() m:attach("x") end, "bad argument 'part' to 'attach'")
    assert.error_matches(function() m:attach(m) end, "part of itself")
    assert.error_matches(function() part:attach(m) end, "part of itself")
    local text = Message()
    text:set_payload("x")
    assert.error_matches(function() text:attach(part) end, "not an array of parts")
  end)

  it("keeps parts alive, and lets them go with the message", function()
    local m = Message()
    for i = 1, 10 do
      local part = Message()
      part["N"] = i
      m:attach(part)
    end
    collectgarbage()
    collectgarbage()
    for i = 1, 10 do assert.equal(tostring(i), m:get_payload(i)["N"]) end
    local weak = setmetatable({ m:get_payload(1) }, { __mode = "v" })
    m = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_nil(weak[1])
  end)

  it("builds no tree that cannot be written", function()
    local top = Message()
    local m = top
    for _ = 1, 300 do
      local part = Message()
      m:attach(part)
      m = part
    end
    local text, err = top:as_string()
    assert.is_nil(text)
    assert.equal("SMTPException", err.name)
  end)
end)

describe("walk", function()
  it("gives the message and its parts, depth first", function()
    local m = assert(Message { text = "t", html = "h", attachments = { { content = "a" } } })
    local types = {}
    for part in m:walk() do types[#types + 1] = part:get_content_type() end
    assert.same({ "multipart/mixed", "multipart/alternative", "text/plain", "text/html", "text/plain" }, types)
  end)
end)

describe("Message{}", function()
  local image = { content = "png", type = "image/png", cid = "pic" }
  local file = { content = "data", filename = "d.pdf" }
  for _, case in ipairs {
    { "nothing but text",              { text = "t" },                          "text/plain" },
    { "no text at all",                { subject = "s" },                       "text/plain" },
    { "html alone",                    { html = "h" },                          "text/html" },
    { "text and html",                 { text = "t", html = "h" },              "multipart/alternative(text/plain text/html)" },
    { "html with an image",            { html = "h", inline = { image } },      "multipart/related(text/html image/png)" },
    { "text and html with an image",   { text = "t", html = "h", inline = { image } },
      "multipart/alternative(text/plain multipart/related(text/html image/png))" },
    { "text with an attachment",       { text = "t", attachments = { file } },  "multipart/mixed(text/plain application/pdf)" },
    { "all of it",                     { text = "t", html = "h", inline = { image }, attachments = { file, file } },
      "multipart/mixed(multipart/alternative(text/plain multipart/related(text/html image/png)) application/pdf application/pdf)" },
    { "a message as an attachment",    { text = "t", attachments = { Message { text = "inner" } } },
      "multipart/mixed(text/plain message/rfc822(text/plain))" },
  } do
    it("makes the tree of " .. case[1], function()
      assert.equal(case[3], tree(assert(Message(case[2]))))
    end)
  end

  it("writes its header in a fixed order", function()
    local m = assert(Message { subject = "s", to = "t@x.example", from = "f@x.example", cc = "c@x.example",
      bcc = "b@x.example", reply_to = "r@x.example", sender = "s@x.example", date = 0, message_id = "<i@x.example>",
      headers = { ["X-B"] = "2", ["X-A"] = 1 }, text = "t" })
    assert.same({ "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Subject", "Date", "Message-ID", "X-A", "X-B",
      "MIME-Version", "Content-Type", "Content-Transfer-Encoding" }, m:keys())
    assert.matches("^Thu, 0?1 Jan 1970 00:00:00", m["Date"])
  end)

  it("does not change what it was given", function()
    local opts = { text = "t", attachments = { { content = "x", filename = "a.txt" } } }
    assert(Message(opts))
    assert.same({ text = "t", attachments = { { content = "x", filename = "a.txt" } } }, opts)
  end)

  for _, case in ipairs {
    { { txet = "t" },                                  "unknown option 'txet'" },
    { { attachments = { { content = "x", fielname = "y" } } }, "unknown option 'fielname'" },
    { { text = 1 },                                    "bad option 'text'" },
    { { html = {} },                                   "bad option 'html'" },
    { { attachments = "x" },                           "bad option 'attachments'" },
    { { attachments = { "x" } },                       "bad entry 1 of 'attachments'" },
    { { attachments = { { filename = "x" } } },        "bad entry 1 of 'attachments'" },
    { { subject = true },                              "header 'Subject': string expected, got boolean" },
    { { to = { 1 } },                                  "an address is a string or a table" },
    { "x",                                             "bad argument 'options' to 'Message'" },
  } do
    it("blames the caller: " .. case[2], function()
      local ok, err = pcall(function() Message(case[1]) end)
      assert.is_false(ok)
      assert.matches("^spec/email/payload_spec%.lua:%d+: ", err)
      assert.matches(case[2], err, 1, true)
    end)
  end
end)

describe("modern content", function()
  it("set_content replaces payload and content fields, and ends the text with a newline", function()
    local m = Message()
    m["Subject"] = "s"
    m:set_payload("old", "utf-8")
    m:set_content("new")
    assert.equal("new\n", m:get_content())
    assert.equal("s", m["Subject"])
    m:set_content("<p>", { type = "text/html" })
    assert.equal("text/html", m:get_content_type())
    m:set_content("<p>", { subtype = "html" })
    assert.equal("text/html", m:get_content_type())
  end)

  it("add_alternative, add_related and add_attachment build the containers", function()
    local m = Message()
    m:set_content("text")
    m:add_alternative("<p>", { type = "text/html" })
    assert.equal("multipart/alternative(text/plain text/html)", tree(m))
    m:get_payload(2):add_related("png", { type = "image/png", cid = "pic" })
    m:add_attachment("data", { filename = "a.zip" })
    m:add_attachment("data", { filename = "b.zip" })
    assert.equal("multipart/mixed(multipart/alternative(text/plain multipart/related(text/html image/png))" ..
      " application/zip application/zip)", tree(m))
    assert.equal("<pic>", m:get_payload(1):get_payload(2):get_payload(2)["Content-ID"])
    assert.equal("b.zip", m:get_payload(3):get_filename())
    assert.is_true(m:get_payload(3):is_attachment())
    assert.equal("inline", m:get_payload(1):get_payload(2):get_payload(2):get_content_disposition())
  end)

  it("converts outwards only", function()
    local m = Message()
    m:set_content("x")
    m:make_mixed()
    assert.error_matches(function() m:make_related() end, "cannot convert mixed to related")
    assert.error_matches(function() m:add_alternative("y") end, "cannot convert mixed to alternative")
  end)

  it("get_content gives bytes of an attachment, and the message in a message/rfc822", function()
    local m, inner = Message(), Message { subject = "inner", text = "x" }
    m:set_content("t")
    m:add_attachment("\0\255", { type = "image/png" })
    m:add_attachment(inner)
    assert.equal("\0\255", m:get_payload(2):get_content())
    assert.equal(inner, m:get_payload(3):get_content())
  end)

  it("clear and clear_content", function()
    local m = assert(Message { subject = "s", text = "t" })
    m:clear_content()
    assert.same({ "Subject", "MIME-Version" }, m:keys())
    assert.is_nil(m:get_payload())
    m:clear()
    assert.equal(0, #m)
  end)

  it("names no charset for an attached text that is not UTF-8", function()
    local m = Message()
    m:add_attachment("caf\233", { filename = "latin.txt" })
    m:add_attachment("caf\195\169", { filename = "utf8.txt" })
    assert.is_nil(m:get_payload(1):get_content_charset())
    assert.equal("utf-8", m:get_payload(2):get_content_charset())
  end)

  it("refuses unknown options", function()
    assert.error_matches(function() Message():add_attachment("x", { fielname = "y" }) end, "unknown option 'fielname'")
    assert.error_matches(function() Message():set_content(1) end, "bad argument 'content' to 'set_content'")
  end)
end)

describe("content types", function()
  it("are text/plain where nothing or nonsense is said", function()
    local m = Message()
    assert.equal("text/plain", m:get_content_type())
    m["Content-Type"] = "nonsense"
    assert.equal("text/plain", m:get_content_type())
    m["Content-Type"] = "Image/PNG; name=x"
    assert.equal("image/png", m:get_content_type())
    assert.equal("image", m:get_content_maintype())
    assert.equal("png", m:get_content_subtype())
  end)

  it("have a default that can be set", function()
    local m = Message()
    m:set_default_type("message/rfc822")
    assert.equal("message/rfc822", m:get_default_type())
    assert.equal("message/rfc822", m:get_content_type())
  end)

  it("have parameters that can be read, changed and removed", function()
    local m = Message()
    m["Content-Type"] = 'text/plain; charset=utf-8; Format="flowed"'
    assert.equal("flowed", m:get_param("format"))
    assert.equal("none", m:get_param("x", "none"))
    assert.same({ { "text/plain", "" }, { "charset", "utf-8" }, { "Format", "flowed" } }, m:get_params())
    m:set_param("charset", "us-ascii")
    assert.equal('text/plain; charset="us-ascii"; Format="flowed"', m["Content-Type"])
    m:del_param("format")
    assert.equal('text/plain; charset="us-ascii"', m["Content-Type"])
    m:set_type("text/html")
    assert.equal('text/html; charset="us-ascii"', m["Content-Type"])
    assert.error_matches(function() m:set_type("html") end, "bad argument 'type' to 'set_type'")
  end)

  it("are guessed from the name of a file", function()
    local m = Message()
    m:set_content("x")
    for name, kind in pairs { ["a.PDF"] = "application/pdf", ["b.txt"] = "text/plain", c = "application/octet-stream",
      ["d.eml"] = "application/octet-stream" } do
      m:add_attachment("x", { filename = name })
      local parts = m:get_payload()
      assert.equal(kind, parts[#parts]:get_content_type())
    end
  end)
end)

describe("a Message", function()
  it("has a preamble and an epilogue", function()
    local m = Message()
    assert.is_nil(m.preamble)
    m:attach(Message())
    m.preamble = "before"
    m.epilogue = "after"
    assert.equal("before", m.preamble)
    assert.matches("\n\nbefore\n%-%-", m:as_string())
    assert.matches("%-%-\nafter$", m:as_string())
    m.preamble = nil
    assert.is_nil(m.preamble)
  end)

  it("is told from other values", function()
    assert.is_true(email.is_message(Message()))
    for _, other in ipairs { "x", 1, {}, io.stdout, Message } do assert.is_false(email.is_message(other)) end
  end)
end)
