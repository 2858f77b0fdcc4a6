-- What is composed is what is read, where the way between the two is narrow.
local email = require "smtplib.email"
local Message = email.Message

local function reread(m, opts)
  return email.message_from_string(assert(m:as_bytes(opts)))
end

describe("a part without a type", function()
  it("that is text stays text in a digest, where it would be taken for a message", function()
    local m, part = Message(), Message()
    m["Content-Type"] = "multipart/digest"
    part:set_payload("Subject: no header\n\nbut text\n")
    m:attach(part)
    local read = reread(m):get_payload(1)
    assert.equal("text/plain", read:get_content_type())
    assert.equal("Subject: no header\n\nbut text\n", read:get_payload())
  end)

  it("that is a message, of a digest, stays one in another multipart", function()
    local digest = email.message_from_string("Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: inner\n\nx\n--b--\n")
    local m = Message()
    m["Content-Type"] = "multipart/mixed"
    m:attach(digest:get_payload(1))
    local read = reread(m):get_payload(1)
    assert.equal("message/rfc822", read:get_content_type())
    assert.equal("inner", read:get_payload(1)["Subject"])
  end)

  it("of a digest stays without one in a digest", function()
    local text = "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: inner\n\nx\n--b--\n"
    local digest = email.message_from_string(text)
    digest["Subject"] = "outer"
    local m = Message()
    m["Content-Type"] = "multipart/digest; boundary=c"
    m:attach(digest:get_payload(1))
    assert.equal("Content-Type: multipart/digest; boundary=c\nMIME-Version: 1.0\n\n--c\n\nSubject: inner\n\nx\n--c--\n",
      m:as_bytes())
  end)
end)

describe("text in a charset whose characters may have bytes of line ends", function()
  local text = "\227\128\138\224\168\133 \224\180\138 and so on\n"

  for _, charset in ipairs { "utf-16", "utf-16be", "utf-16le", "utf-32", "ucs-2" } do
    it(("(%s) arrives as it was"):format(charset), function()
      local m = Message()
      m:set_content(text:rep(30), { charset = charset })
      assert.equal(text:rep(30), reread(m):get_content())
      assert.equal(text:rep(30), reread(m, { cte = "8bit" }):get_content())
    end)
  end

  it("is in that charset, even where it is all ASCII", function()
    for _, charset in ipairs { "utf-16", "utf-32", "utf-7" } do
      local m = Message()
      m:set_content("1 + 1 = 2\n", { charset = charset })
      assert.equal("1 + 1 = 2\n", reread(m):get_content())
    end
  end)

  it("has no lines that another encoding than base64 could keep", function()
    for _, cte in ipairs { "7bit", "8bit", "quoted-printable" } do
      assert.has_error(function() Message():set_content(text, { charset = "utf-16le", cte = cte }) end)
    end
    local m = Message()
    m:set_content(text, { charset = "utf-16", cte = "base64" })
    assert.equal(text, reread(m):get_content())
  end)
end)

describe("quoted-printable that was asked for", function()
  local bytes = {}
  for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
  bytes = table.concat(bytes) .. "\r\n\n\r\r\n x \n\t\r\n."

  it("keeps every byte of an attachment", function()
    local m = Message()
    m:add_attachment(bytes, { filename = "x.bin", cte = "quoted-printable" })
    assert.equal(bytes, email.message_from_string(assert(email.message_from_string(m:as_bytes()):as_bytes()))
      :get_payload(1):get_payload(nil, true))
    local crlf = {}
    m:write(function(chunk) crlf[#crlf + 1] = chunk end)
    assert.equal(bytes, email.message_from_string(table.concat(crlf)):get_payload(1):get_payload(nil, true))
  end)

  it("keeps every byte of a text file that is attached", function()
    local m = Message()
    m:add_attachment("a\r\nb\rc\nd", { type = "text/plain", filename = "x.txt", cte = "quoted-printable" })
    assert.equal("a\r\nb\rc\nd", reread(m):get_payload(1):get_payload(nil, true))
  end)

  it("has lines where the text has them, whatever ends them", function()
    local m = Message()
    m:set_content("a\rb\r\nc\n", { cte = "quoted-printable" })
    assert.equal("a\nb\nc\n", reread(m):get_content())
  end)

  it("keeps every byte that MIMEApplication was given, with encode_quopri", function()
    local m = email.mime.MIMEApplication(bytes, "x-test", email.encoders.encode_quopri)
    assert.equal(bytes, reread(m):get_payload(nil, true))
  end)
end)

describe("a boundary", function()
  local function multipart(text, boundary)
    local m, part = Message(), Message()
    part:set_payload(text)
    m["Content-Type"] = 'multipart/mixed; boundary="' .. (boundary or "b") .. '"'
    m:attach(part)
    return m
  end

  it("that begins a line of a part, a preamble or an outer epilogue is refused", function()
    for _, text in ipairs { "--b", "--b--\n", "x\n--b\ny", "x\r--b", "--bc" } do
      assert.is_nil((multipart(text):as_bytes()))
      local m = multipart("x")
      m.preamble = text
      local bytes, err = m:as_bytes()
      assert.is_nil(bytes)
      assert.matches("boundary", tostring(err))
      local inner = multipart("x", "inner")
      inner.epilogue = text
      m = Message()
      m["Content-Type"] = "multipart/mixed; boundary=b"
      m:attach(inner)
      assert.is_nil((m:as_bytes()))
    end
  end)

  it("within a line of a part harms nothing", function()
    local m = multipart("see --b, and - --b")
    m.preamble = "not --b"
    assert.equal("see --b, and - --b", reread(m):get_payload(1):get_payload())
    assert.equal("not --b", reread(m).preamble)
  end)

  it("within a line that quoted-printable may cut there is refused", function()
    local text = ("\195\169 "):rep(3) .. ("x"):rep(1000) .. "--b"
    assert.is_nil((multipart(text):as_bytes()))
  end)
end)
