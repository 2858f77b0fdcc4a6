-- Composed messages byte for byte: spec/messages/NAME.eml, as they go over the
-- wire but for boundaries, which are random and numbered there.
-- GOLDEN=write writes the files anew; look at the difference before keeping it.
local Message = require("smtplib.email").Message

local function numbered(text)
  local seen, count = {}, 0
  return (text:gsub("=_%x+", function(boundary)
    if not seen[boundary] then
      count = count + 1
      seen[boundary] = ("=_boundary-%d"):format(count)
    end
    return seen[boundary]
  end))
end

local all_bytes = {}
for i = 0, 255 do all_bytes[#all_bytes + 1] = string.char(i) end
all_bytes = table.concat(all_bytes)

local common = { from = "A <a@example.com>", to = "b@example.com", date = "Mon, 23 Nov 2026 20:08:22 +0000",
  message_id = "<1@example.com>" }

local function message(opts)
  for name, value in pairs(common) do
    if opts[name] == nil then opts[name] = value end
  end
  return assert(Message(opts))
end

local cases = {
  ["plain"] = function() return message { subject = "Test", text = "This is the body of the message" } end,
  ["non-ascii"] = function()
    return message {
      from = { name = "J\195\182rg M\195\188ller", addr = "joerg@example.com" },
      to = { "\"Doe, John\" <john@example.com>", { name = "\230\151\165\230\156\172", addr = "jp@example.com" }, "c@example.com" },
      subject = "Gr\195\188\195\159e aus K\195\182ln, und noch viel mehr Text, der nicht in eine Zeile pa\195\159t",
      text = "Gr\195\188\195\159e\n\nauf Wiedersehen \nTrailing blank\t\n",
    }
  end,
  ["all-parts"] = function()
    return message {
      subject = "All parts", text = "text\n", html = '<img src="cid:pic">\n',
      inline = { { content = "\137PNG", type = "image/png", cid = "pic", filename = "p.png" } },
      attachments = {
        { content = all_bytes, filename = "bytes.bin" },
        { content = "a;b\r\n", filename = "\195\156bersicht \226\130\172.csv" },
        message { subject = "Inner", text = "within\n" },
      },
    }
  end,
  ["long"] = function()
    local to, ids = {}, {}
    for i = 1, 12 do
      to[i] = { name = ("R\195\169cipient %d"):format(i), addr = ("recipient-%d@department-%d.example.com"):format(i, i) }
      ids[i] = ("<%040d@mail.example.com>"):format(i)
    end
    return message { to = to, subject = ("word "):rep(40), headers = { References = ids },
      text = ("x"):rep(1500) .. "\n" .. ("\195\169 "):rep(60) .. "\n",
      attachments = { { content = "x", filename = ("\230\151\165"):rep(50) .. ".txt" } } }
  end,
  ["text-and-html"] = function() return message { subject = "Two forms", text = "text", html = "<p>html</p>" } end,
  ["invitation"] = function()
    return message {
      subject = "Invitation", text = "Please come.\n", html = "<p>Please come.</p>\n",
      calendar = { method = "request", filename = "party.ics",
        content = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nSUMMARY:Gr\195\188\195\159e\r\nEND:VCALENDAR\r\n" },
    }
  end,
  ["newsletter"] = function()
    return message {
      subject = "News", text = "news\n", amp = "<html amp4email>news</html>\n", html = "<p>news</p>\n",
      inline = { { content = "GIF89a", filename = "i.gif", cid = "i@example.com" } },
      list = { id = { id = "news.example.com", name = "News" }, unsubscribe = { "https://example.com/u?1", "mailto:u@example.com" },
        post = true, help = "https://example.com/help", owner = "owner@example.com" },
    }
  end,
  ["reply-flowed"] = function()
    return message {
      subject = "Re: Test", in_reply_to = "1@example.org", references = { "0@example.org", "1@example.org" }, flowed = true,
      text = "> what they wrote, which is quoted here and is long enough to be broken into two lines at least\n\n" ..
        "What I answer is a paragraph, and it is long enough to be broken as well, with Umlaute: \195\164\195\182\195\188.\n" ..
        "From here on it is stuffed.\n-- \nMe\n",
    }
  end,
  ["forwarded"] = function()
    local inner = message { subject = "Inner \195\164", text = "within\n", attachments = { { content = "x", filename = "x.bin" } } }
    return message { subject = "Fwd: Inner", text = "see below\n", attachments = { inner, { content = inner, filename = "inner.eml" } } }
  end,
  ["classes"] = function()
    local mime = require "smtplib.email.mime"
    local m = mime.MIMEMultipart("mixed")
    m["Subject"] = "classes"
    m:attach(mime.MIMEText("text \195\164\n", "plain", "utf-8"))
    m:attach(mime.MIMEApplication("\0\1\2"))
    m:attach(mime.MIMEImage("\137PNG\r\n\26\n"))
    m:attach(mime.MIMEMessage((message { subject = "Inner", text = "within\n" })))
    return m
  end,
  ["classic"] = function()
    local m, first, second = Message(), Message(), Message()
    m["Subject"] = "classic"
    m["Content-Type"] = "multipart/digest"
    m.preamble, m.epilogue = "This is MIME.", "The end.\n"
    first:set_payload("one\n.\n..\n")
    second["Content-Transfer-Encoding"] = "base64"
    second["Content-Type"] = "image/png"
    second:add_header("Content-Disposition", "inline", { filename = 'a "quoted" name.png' })
    second:set_payload("iVBORw==\n")
    m:set_payload { first, second }
    return m
  end,
}

describe("the composed message", function()
  for name, compose in pairs(cases) do
    for _, cte in ipairs { "7bit", "8bit" } do
      it(("%s (%s) is byte for byte what it was"):format(name, cte), function()
        local path = ("spec/messages/%s-%s.eml"):format(name, cte)
        local chunks = {}
        assert(compose():write(function(chunk) chunks[#chunks + 1] = chunk end, { cte = cte }))
        local text = numbered(table.concat(chunks))
        if os.getenv("GOLDEN") == "write" then
          local out = assert(io.open(path, "wb"))
          out:write(text)
          out:close()
        end
        local file = assert(io.open(path, "rb"))
        assert.equal(file:read("*a"), text)
        file:close()
      end)
    end
  end
end)
