-- Python's classes of email.mime, and its encoders.
local email = require "smtplib.email"
local encoders = email.encoders

describe("the pattern of a thousand tutorials", function()
  it("makes a text with an attachment", function()
    local bytes = {}
    for i = 0, 255 do bytes[i + 1] = string.char(i) end
    bytes = table.concat(bytes)
    local m = email.MIMEMultipart()
    m["Subject"] = "Report"
    m:attach(email.MIMEText("Hello\n", "plain"))
    local part = email.MIMEBase("application", "octet-stream")
    part:set_payload(bytes)
    encoders.encode_base64(part)
    part:add_header("Content-Disposition", "attachment", { filename = "r.pdf" })
    m:attach(part)
    local again = email.message_from_string(m:as_string())
    assert.equal("Hello\n", again:get_payload(1):get_content())
    assert.equal(bytes, again:get_payload(2):get_payload(nil, true))
    assert.equal("r.pdf", again:get_payload(2):get_filename())
    assert.equal("base64", again:get_payload(2)["Content-Transfer-Encoding"])
    assert.same({}, again.defects)
  end)
end)

describe("MIMEText", function()
  it("is us-ascii or utf-8, or in the charset that is named", function()
    assert.equal("us-ascii", email.MIMEText("a"):get_content_charset())
    assert.equal("utf-8", email.MIMEText("\195\188"):get_content_charset())
    local m = email.MIMEText("gr\195\188n", "html", "iso-8859-1")
    assert.equal("text/html", m:get_content_type())
    assert.matches("gr=FCn", m:as_string())
    assert.equal("gr\195\188n", email.message_from_string(m:as_string()):get_content())
  end)

  it("takes names, with or without the underscore", function()
    assert.equal("text/html", email.MIMEText({ text = "x", subtype = "html" }):get_content_type())
    assert.equal("text/html", email.MIMEText({ _text = "x", _subtype = "html" }):get_content_type())
  end)
end)

describe("the other classes", function()
  it("tell an image and a sound by their first bytes", function()
    assert.equal("image/png", email.MIMEImage("\137PNG\r\n\26\nrest"):get_content_type())
    assert.equal("image/jpeg", email.MIMEImage("\255\216\255rest"):get_content_type())
    assert.equal("audio/x-wav", email.MIMEAudio("RIFF1234WAVErest"):get_content_type())
    assert.equal("image/x", email.MIMEImage("??", "x"):get_content_type())
    assert.error_matches(function() email.MIMEImage("??") end, "cannot be told from the data")
  end)

  it("are application data, containers and messages", function()
    local data = email.MIMEApplication("\0\255", "pdf", nil, { name = "a.pdf" })
    assert.equal("application/pdf", data:get_content_type())
    assert.equal("a.pdf", data:get_param("name"))
    local m = email.MIMEMultipart("alternative", "bbb", { data }, { x = "y" })
    assert.equal("bbb", m:get_boundary())
    assert.equal("y", m:get_param("x"))
    assert.equal(data, m:get_payload(1))
    local inner = email.MIMEMessage(email.MIMEText("x"))
    assert.equal("message/rfc822", inner:get_content_type())
    assert.is_true(inner:is_multipart())
  end)

  it("are found in a module of their own, too", function()
    assert.equal(email.MIMEText, require("smtplib.email.mime").MIMEText)
    assert.equal(email.encoders, require "smtplib.email.encoders")
    assert.is_nil(email.MIMENothing)
  end)

  local wrong = {
    { function() email.MIMEText() end, "bad argument 'text' to 'MIMEText'" },
    { function() email.MIMEText(1) end, "bad argument 'text' to 'MIMEText'" },
    { function() email.MIMEText { text = "x", bogus = 1 } end, "unknown option 'bogus'" },
    { function() email.MIMEText("x", "a b") end, "'text/a b' is no type" },
    { function() email.MIMEBase("text") end, "bad argument 'subtype' to 'MIMEBase'" },
    { function() email.MIMEMessage(io.stdout) end, "Message expected" },
    { function() email.MIMEText("a", "b", "c", "d") end, "too many arguments to 'MIMEText'" },
    { function() encoders.encode_base64("x") end, "bad argument 'message' to 'encode_base64'" },
  }
  for _, case in ipairs(wrong) do
    it("refuse misuse: " .. case[2], function()
      local ok, err = pcall(case[1])
      assert.is_false(ok)
      assert.matches("mime_spec%.lua:%d+: ", err)
      assert.is_truthy(err:find(case[2], 1, true), err)
    end)
  end
end)

describe("an encoder", function()
  local cases = {
    { "encode_base64", "a\255", "base64", "Yf8=\n" },
    { "encode_quopri", "a=\195\188\n", "quoted-printable", "a=3D=C3=BC\n" },
    { "encode_7or8bit", "abc", "7bit", "abc" },
    { "encode_7or8bit", "\195\188", "8bit", "\195\188" },
  }
  for _, case in ipairs(cases) do
    it(("%s of %q"):format(case[1], case[2]), function()
      local m = email.MIMEBase("text", "plain")
      m:set_payload(case[2])
      encoders[case[1]](m)
      assert.equal(case[3], m["Content-Transfer-Encoding"])
      assert.equal(case[4], m:get_payload())
      assert.equal(case[2], m:get_payload(nil, true))
    end)
  end

  it("encode_noop leaves the choice to the writer", function()
    local m = email.MIMEBase("text", "plain")
    m:set_payload("\195\188")
    encoders.encode_noop(m)
    assert.is_nil(m["Content-Transfer-Encoding"])
    assert.equal("\195\188", m:get_payload())
  end)
end)
