-- Message{…}: the tree that a table of options makes.
local email = require "smtplib.email"
local judge = require "spec.mime.judge"
local Message = email.Message

local base = { from = "a@example.org", to = "b@example.org", subject = "s" }

local function compose(more)
  local opts = {}
  for name, value in pairs(base) do opts[name] = value end
  for name, value in pairs(more) do opts[name] = value end
  return assert(Message(opts))
end

-- "mixed(alternative(plain html) png)"
local function shape(m)
  if not m:is_multipart() then return m:get_content_subtype() end
  local inner = {}
  for part in m:iter_parts() do inner[#inner + 1] = shape(part) end
  return m:get_content_subtype() .. "(" .. table.concat(inner, " ") .. ")"
end

local ics = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"
local image = { content = "\137PNG", filename = "i.png", cid = "i@x" }
local file = { content = "data", filename = "d.bin" }

describe("the tree of a message", function()
  local nested = Message { from = "x@example.org", text = "inner" }
  local cases = {
    { {}, "plain" },
    { { text = "t" }, "plain" },
    { { html = "h" }, "html" },
    { { text = "t", html = "h" }, "alternative(plain html)" },
    { { text = "t", amp = "a", html = "h" }, "alternative(plain x-amp-html html)" },
    { { html = "h", inline = { image } }, "related(html png)" },
    { { text = "t", inline = { image } }, "related(plain png)" },
    { { text = "t", html = "h", inline = { image } }, "alternative(plain related(html png))" },
    { { text = "t", attachments = { file, file } }, "mixed(plain octet-stream octet-stream)" },
    { { text = "t", html = "h", inline = { image }, attachments = { file } },
      "mixed(alternative(plain related(html png)) octet-stream)" },
    { { text = "t", attachments = { nested } }, "mixed(plain rfc822(plain))" },
    { { text = "t", calendar = ics }, "mixed(alternative(plain calendar) ics)" },
    { { text = "t", amp = "a", html = "h", calendar = ics, inline = { image }, attachments = { file } },
      "mixed(alternative(plain x-amp-html related(html png) calendar) octet-stream ics)" },
  }
  for _, case in ipairs(cases) do
    it("is " .. case[2], function()
      local m = compose(case[1])
      assert.equal(case[2], shape(m))
      local again = email.message_from_string(m:as_bytes())
      assert.equal(case[2], shape(again))
      assert.same({}, again.defects)
    end)
  end

  it("is Python's, too", function()
    local raw = {}
    for i, case in ipairs(cases) do raw[i] = compose(case[1]):as_bytes { eol = "\r\n" } end
    local seen = judge.read(raw)
    for i, case in ipairs(cases) do
      assert.equal(0, #seen[i].defects, case[2])
      local _, leaves = case[2]:gsub("[%w-]+", "")
      assert.equal(leaves, #seen[i].parts, case[2])
    end
  end)
end)

describe("an option", function()
  it("that is empty makes no field", function()
    assert.is_nil(compose { cc = {}, references = {} }["Cc"])
    assert.is_nil(compose { cc = {}, references = {} }["References"])
  end)

  it("with an id takes it with or without its brackets", function()
    local m = compose { message_id = "1@example.org", in_reply_to = "<0@example.org>" }
    assert.equal("<1@example.org>", m["Message-ID"])
    assert.equal("<0@example.org>", m["In-Reply-To"])
  end)

  for _, case in ipairs {
    -- options, the error
    { { from = 5 }, "header 'From': an address expected, got number" },
    { { headers = { ["content-type"] = "text/html" } }, "bad option 'headers' (content-type is decided by the content)" },
    { { attachments = { { path = "/dev/null", content = "x" } } },
      "bad entry 1 of 'attachments' (path= or content= expected, not both)" },
    { { attachments = { { content = "x", disposition = "inline; x=y" } } }, "bad option 'disposition' ('inline; x=y')" },
  } do
    it("misused is an error: " .. case[2], function()
      assert.has_error(function() compose(case[1]) end, case[2])
    end)
  end

  for _, case in ipairs {
    { { date = 0 / 0 }, "header 'Date': " },
    { { attachments = { { content = "x", cid = "a b>" } } }, "header 'Content-ID': not a Message-ID" },
  } do
    it("that cannot be written is refused: " .. case[2], function()
      local opts = { from = "a@example.org" }
      for name, value in pairs(case[1]) do opts[name] = value end
      local m, err = Message(opts)
      assert.is_nil(m)
      assert.equal("SMTPException", err.name)
      assert.equal(case[2], err.message:sub(1, #case[2]))
    end)
  end
end)

describe("a field that a message has once", function()
  it("is not given twice", function()
    for _, headers in ipairs {
      { From = "x@example.org" }, { { "subject", "x" } }, { { "X", "1" }, { "Date", "x" }, { "DATE", "y" } },
    } do
      assert.has_error(function() compose { headers = headers } end)
    end
    local m = compose { headers = { { "Received", "a" }, { "Received", "b" }, { "Date", "x" } } }
    assert.same({ "a", "b" }, m:get_all("received"))
  end)
end)

describe("an invitation", function()
  it("is a form of the text, with its method, and a file", function()
    local m = compose { text = "t", calendar = { content = ics, method = "cancel", filename = "off.ics" } }
    local form = m:get_payload(1):get_payload(2)
    assert.equal("CANCEL", form:get_param("method"))
    assert.equal("utf-8", form:get_content_charset())
    local attached = m:get_payload(2)
    assert.equal("off.ics", attached:get_filename())
    assert.equal(ics, attached:get_content())
  end)

  it("has the method that it names, else PUBLISH", function()
    assert.equal("REQUEST", compose({ calendar = ics }):get_payload(1):get_param("method"))
    assert.equal("PUBLISH", compose({ calendar = "BEGIN:VCALENDAR\n" }):get_payload(1):get_param("method"))
  end)

  it("is checked", function()
    assert.error_matches(function() compose { calendar = { methd = "x" } } end, "unknown option 'calendar.methd'")
    assert.error_matches(function() compose { calendar = { method = "x" } } end, "content= expected")
  end)
end)

describe("the fields of a list", function()
  local cases = {
    { { unsubscribe = "https://x.example/u" }, "List-Unsubscribe", "<https://x.example/u>" },
    { { unsubscribe = { "u@x.example", "https://x.example/u?a=1&b=2" } }, "List-Unsubscribe",
      "<mailto:u@x.example>, <https://x.example/u?a=1&b=2>" },
    { { help = { url = "https://x.example/h", comment = "ask (here)" } }, "List-Help",
      "<https://x.example/h> (ask \\(here\\))" },
    { { post = "list@x.example" }, "List-Post", "<mailto:list@x.example>" },
    { { post = "NO" }, "List-Post", "NO" },
    { { post = { url = "NO", comment = "announcements (only)" } }, "List-Post", "NO (announcements \\(only\\))" },
    { { id = "News <news.example.com>" }, "List-Id", "News <news.example.com>" },
    { { id = '"News, \\"new\\"" <news.example.com>' }, "List-Id", '"News, \\"new\\"" <news.example.com>' },
    { { id = "Grüße <news.example.com>" }, "List-Id", "Grüße <news.example.com>" },
    { { id = "l.x.example" }, "List-Id", "<l.x.example>" },
    { { id = { id = "l.x.example", name = "The List" } }, "List-Id", "The List <l.x.example>" },
    { { unsubscribe = "https://x.example/u", post = true }, "List-Unsubscribe-Post", "List-Unsubscribe=One-Click" },
  }
  for _, case in ipairs(cases) do
    it(case[2] .. ": " .. case[3], function() assert.equal(case[3], compose({ list = case[1] })[case[2]]) end)
  end

  it("refuse what would say something else", function()
    for _, bad in ipairs {
      { help = "no url" }, { help = "https://x/\r\nBcc: y@z" }, { help = "https://x/>, <https://y/" },
      { help = { url = "https://x/", comment = "a\nb" } }, { id = "a b" }, { id = "a>b" },
      { post = true }, { unsubscribe = "http://x/", post = true },
    } do
      local opts = { list = bad, text = "t" }
      local m, err = Message(opts)
      assert.is_nil(m)
      assert.matches("^header 'List%-", err.message)
    end
    assert.error_matches(function() compose { list = { unsubscrbe = "x" } } end, "unknown option 'list.unsubscrbe'")
  end)
end)

describe("a thread", function()
  it("is named by Message-IDs, in their brackets", function()
    local m = compose { in_reply_to = "a@b", references = { "<a@b>", "c@d" } }
    assert.equal("<a@b>", m["In-Reply-To"])
    assert.equal("<a@b> <c@d>", m["References"])
  end)
end)

describe("misuse of Message{}", function()
  local cases = {
    { { tiemout = 1 }, "unknown option 'tiemout'" },
    { { text = 1 }, "bad option 'text' %(string expected, got number%)" },
    { { calendar = 1 }, "bad option 'calendar' %(string or table expected, got number%)" },
    { { attachments = { "x" } }, "bad entry 1 of 'attachments' %(table or Message expected, got string%)" },
    { { attachments = { { paht = "x" } } }, "unknown option 'paht'" },
    { { attachments = { [2] = file } }, "an array without holes expected" },
    { { inline = { {} } }, "path= or content= expected" },
  }
  for _, case in ipairs(cases) do
    it(case[2], function()
      local ok, err = pcall(function()
        local m = Message(case[1])
        return m
      end)
      assert.is_false(ok)
      assert.matches("compose_spec%.lua:%d+: .*" .. case[2], err)
    end)
  end
end)

describe("content that is a message", function()
  local raw = "Subject: inner\n\n\195\188\n"

  for name, entry in pairs {
    ["a string"] = { content = raw },
    ["a function"] = { content = function()
      local piece = raw
      raw = nil
      return piece
    end },
  } do
    it("is read, and written as a message: " .. name, function()
      raw = raw or "Subject: inner\n\n\195\188\n"
      entry.type = "message/rfc822"
      local m = compose { attachments = { entry } }
      local part = email.message_from_string(m:as_bytes { cte = "7bit" }):get_payload(2)
      assert.is_nil(m:as_bytes { cte = "7bit" }:find("[\128-\255]"))
      assert.is_nil(part["Content-Transfer-Encoding"])
      assert.equal("inner", part:get_payload(1)["Subject"])
      assert.equal("\195\188\n", part:get_payload(1):get_payload(nil, true))
    end)
  end

  it("is refused where its file is missing, and where it would be a multipart", function()
    local m, err = Message { from = "a@b", attachments = { { path = "/nonexistent.eml", type = "message/rfc822" } } }
    assert.is_nil(m)
    assert.matches("/nonexistent.eml", err.message, 1, true)
    assert.has_error(function() compose { attachments = { { content = "x", type = "multipart/mixed" } } } end,
      "option 'type': a multipart/mixed is made of Messages")
  end)
end)

describe("text in UTF-16 or UTF-32", function()
  for _, charset in ipairs { "utf-16", "utf-16le", "utf-32be" } do
    it("is base64, and read as it was: " .. charset, function()
      local text = "abc\n\208\138\n"
      local first, second, third = Message(), Message(), email.MIMEText(text, "plain", charset)
      first:set_content(text, { charset = charset })
      second:set_payload(text, charset)
      for _, m in ipairs { first, second, third } do
        local written = email.message_from_string(m:as_bytes { eol = "\r\n" })
        assert.equal("base64", written["Content-Transfer-Encoding"])
        assert.equal(charset, written:get_content_charset())
        assert.equal(text, written:get_content())
      end
    end)
  end
end)
