-- Types and parameters of a Message's fields, beside what Python says of them.
local email = require "smtplib.email"
local Message = email.Message

local function typed(value, header)
  return email.message_from_string((header or "Content-Type") .. ": " .. value .. "\n\n")
end

describe("get_content_type", function()
  for _, case in ipairs {
    { "TEXT/HTML",             "text/html" },
    { "text/html ; x=y",       "text/html" },
    { "text",                  "text/plain" },
    { "text/",                 "text/plain" },
    { "/plain",                "text/plain" },
    { "a/b/c",                 "text/plain" },
    { "",                      "text/plain" },
    { "image/svg+xml",         "image/svg+xml" },
  } do
    it(("of '%s' is %s"):format(case[1], case[2]), function()
      assert.equal(case[2], typed(case[1]):get_content_type())
    end)
  end

  it("is message/rfc822 by default inside of a multipart/digest", function()
    local m = email.message_from_string("Content-Type: multipart/digest; boundary=x\n\n--x\n\nSubject: y\n\nz\n--x--\n")
    assert.equal("message/rfc822", m:get_payload(1):get_content_type())
    assert.equal("message/rfc822", m:get_payload(1):get_default_type())
  end)
end)

describe("get_param", function()
  for _, case in ipairs {
    { 'a/b; c="d e"',                    "c",    "d e",   '"d e"' },
    { 'a/b; C=d',                        "c",    "d",     "d" },
    { 'a/b; c',                          "c",    "",      "" },
    { 'a/b; c="x;y"; d=1',               "d",    "1",     "1" },
    { 'a/b; c="q\\"r"',                  "c",    'q"r',   '"q\\"r"' },
    { "a/b; c*=utf-8''%C3%A9",           "c",    "\195\169", "\195\169" },
    { 'a/b; c*0="x"; c*1="y"',           "c",    "xy",    "xy" },
    { "a/b",                             "a/b",  "",      "" },
    { "a/b",                             "c",    nil,     nil },
  } do
    it(("'%s' of %s"):format(case[2], case[1]), function()
      local m = typed(case[1])
      assert.equal(case[3], m:get_param(case[2]))
      assert.equal(case[4], m:get_param(case[2], nil, nil, false))
    end)
  end

  it("has a default, and reads any field", function()
    local m = typed('attachment; filename="x.txt"', "Content-Disposition")
    assert.equal("x.txt", m:get_param("filename", nil, "content-disposition"))
    assert.equal("none", m:get_param("filename", "none"))
    assert.equal("none", m:get_params("none"))
    assert.same({ { "attachment", "" }, { "filename", "x.txt" } }, m:get_params(nil, "Content-Disposition"))
    assert.same({ { "attachment", "" }, { "filename", '"x.txt"' } }, m:get_params(nil, "Content-Disposition", false))
  end)
end)

describe("set_param", function()
  it("changes in place, appends, and makes a field that is missing", function()
    local m = Message()
    m:set_param("charset", "utf-8")
    assert.equal('text/plain; charset="utf-8"', m["Content-Type"])
    m["Subject"] = "s"
    m:set_param("format", "flowed")
    m:set_param("CHARSET", "us-ascii")
    assert.same({ { "text/plain", "" }, { "charset", "us-ascii" }, { "format", "flowed" } }, m:get_params())
    assert.same({ "Content-Type", "Subject" }, m:keys())
    m:set_param("q", "1", "X-New")
    assert.equal('q="1"', m["X-New"])
  end)

  it("takes text that needs RFC 2231", function()
    local m = Message()
    m["Content-Disposition"] = "attachment"
    m:set_param("filename", "\195\169.txt", "Content-Disposition")
    assert.equal("\195\169.txt", m:get_filename())
    assert.equal("\195\169.txt", email.message_from_string(m:as_string()):get_filename())
    assert.matches("filename%*=utf%-8''%%C3%%A9.txt", m:as_string())
  end)

  it("blames the caller", function()
    for _, case in ipairs { { 1, "x" }, { "x", 1 }, { "x", "y", 1 }, { "x y", "z" }, { "x", "a\nb" } } do
      local ok, err = pcall(function() Message():set_param(case[1], case[2], case[3]) end)
      assert.is_false(ok)
      assert.matches("typing_spec%.lua:%d+: ", err)
    end
  end)
end)

describe("del_param", function()
  it("removes one, and is content when there is none", function()
    local m = typed('multipart/report; report-type=x; boundary="y"')
    m:del_param("REPORT-TYPE")
    assert.equal('multipart/report; boundary="y"', m["Content-Type"])
    m:del_param("nothing")
    Message():del_param("nothing")
    m:del_param("x", "X-None")
    assert.is_nil(m["X-None"])
  end)
end)

describe("set_type", function()
  it("keeps the parameters, and adds MIME-Version for Content-Type alone", function()
    local m = typed('text/plain; charset="utf-8"')
    m:set_type("text/html")
    assert.equal('text/html; charset="utf-8"', m["Content-Type"])
    assert.equal("1.0", m["MIME-Version"])
    local other = typed("text/plain", "X-Content-Type")
    other:set_type("application/x", "X-Content-Type")
    assert.equal("application/x", other["X-Content-Type"])
    assert.is_nil(other["MIME-Version"])
  end)
end)

describe("charsets", function()
  it("are told of all parts", function()
    local m = assert(Message { text = "t", attachments = { { content = "x", filename = "x.bin" } } })
    assert.same({ false, "utf-8", false }, m:get_charsets())
    assert.same({ "none", "utf-8", "none" }, m:get_charsets("none"))
    assert.equal("utf-8", typed("text/plain; charset=UTF-8"):get_content_charset())
    assert.equal("none", typed("text/plain"):get_content_charset("none"))
  end)

  it("that are set have the payload in them", function()
    local m = Message()
    m:set_payload("caf\195\169", "iso-8859-1")
    assert.equal("iso-8859-1", m:get_charset())
    assert.equal("caf\233", m:get_payload(nil, true))
    assert.equal("caf\195\169", m:get_content())
    assert.matches("quoted%-printable\n\ncaf=E9$", m:as_string())
    m:set_charset("UTF8")
    assert.equal("caf\195\169", m:get_payload())
    assert.equal("utf-8", m:get_content_charset())
    m:set_charset(nil)
    assert.is_nil(m:get_charset())
    assert.is_nil(m:get_content_charset())
  end)

  it("take bytes that are not UTF-8 to be in them already", function()
    local m = Message()
    m:set_payload("caf\233", "latin1")
    assert.equal("caf\233", m:get_payload())
    assert.equal("iso-8859-1", m:get_content_charset())
  end)

  it("that lack a character are refused in the name of the caller", function()
    for _, charset in ipairs { "us-ascii", "iso-8859-1", "a b", "x-nobody-knows" } do
      local ok, err = pcall(function() Message():set_payload("\230\151\165", charset) end)
      assert.is_false(ok, charset)
      assert.matches("typing_spec%.lua:%d+: ", err)
    end
  end)
end)

describe("a boundary", function()
  it("is set in a field that is there", function()
    local m = typed("multipart/mixed; charset=x")
    m:set_boundary("abc")
    assert.same({ { "multipart/mixed", "" }, { "charset", "x" }, { "boundary", "abc" } }, m:get_params())
    assert.equal("abc", m:get_boundary())
    assert.error_matches(function() Message():set_boundary("abc") end, "no header 'Content%-Type'")
    assert.equal("none", Message():get_boundary("none"))
  end)
end)

describe("a file name", function()
  it("is that of the disposition, else that of the type", function()
    assert.equal("a", typed("x/y; name=a"):get_filename())
    assert.equal("none", typed("x/y"):get_filename("none"))
    local m = typed("x/y; name=a")
    m["Content-Disposition"] = "Inline; filename=b"
    assert.equal("b", m:get_filename())
    assert.equal("inline", m:get_content_disposition())
    assert.is_false(m:is_attachment())
    assert.is_nil(Message():get_content_disposition())
  end)
end)

describe("add_header", function()
  it("appends parameters sorted by name, or in the order of an array", function()
    local m = Message()
    m:add_header("X", "v", { b_c = "1", a = 2 })
    m:add_header("X", "v", { { "b", "1" }, { "a", "x y" } })
    m:add_header("X", nil, { a = { "utf-8", "de", "\195\169" } })
    assert.same({ 'v; a="2"; b-c="1"', 'v; b="1"; a="x y"', "a*=\"utf-8''%C3%A9\"" }, m:get_all("X"))
  end)

  it("blames the caller", function()
    for _, params in ipairs { 1, { a = true }, { "x" }, { { 1, "x" } }, { ["a b"] = "x" } } do
      local ok, err = pcall(function() Message():add_header("X", "v", params) end)
      assert.is_false(ok)
      assert.matches("typing_spec%.lua:%d+: ", err)
    end
  end)
end)

describe("an assignment", function()
  it("refuses what no field or property takes", function()
    local m = Message()
    for _, bad in ipairs {
      function() m[1] = "x" end, function() m.preamble = 1 end, function() m.epilogue = {} end,
      function() m.defects = {} end, function() m["Subject"] = {} end, function() m["Subject"] = true end,
      function() m["To"] = { nil, "a@b.example" } end, function() m["X Y"] = "z" end, function() m["X"] = "a\nb" end,
    } do
      local ok, err = pcall(bad)
      assert.is_false(ok)
      assert.matches("typing_spec%.lua:%d+: ", err)
    end
    assert.equal(0, #m)
    assert.same({}, m.defects)
  end)

  it("takes numbers, and arrays where a field is a list", function()
    local m = Message()
    m["X-Count"] = 5
    m["To"] = { "a@b.example", { name = "C", addr = "c@d.example" } }
    m["References"] = { "<1@x>", "<2@x>" }
    assert.same({ "5", "a@b.example, C <c@d.example>", "<1@x> <2@x>" }, m:values())
  end)
end)
