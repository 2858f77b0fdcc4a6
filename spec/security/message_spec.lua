-- End of data and smuggling: by whatever way a message is given, what a server
-- could take for its end does not come from it.
local smtplib = require "smtplib"
local wire = require "spec.security.wire"

local ends = { "\n.\n", "\r.\r", "\r\n.\r\n", "\n.\r\n", "\r\n.\n", "\r.\r\n", "\r\n.\r", "\r.\n", "\n.\r" }
local smuggled = "MAIL FROM:<evil@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA\r\nSubject: forged\r\n\r\nx"

local function as_file(text)
  local file = io.tmpfile()
  file:write(text)
  file:seek("set")
  return file
end

local function in_pieces(text, size)
  local at = 1
  return function()
    if at > #text then return nil end
    local piece = text:sub(at, at + size - 1)
    at = at + size
    return piece
  end
end

local function as_message(text)
  local message = smtplib.email.Message()
  message["Subject"] = "x"
  message:set_payload(text)
  return message
end

local forms = {
  { "a string", function(text) return text end },
  { "a file", as_file },
  { "a source of single bytes", function(text) return in_pieces(text, 1) end },
  { "a source of two bytes at a time", function(text) return in_pieces(text, 2) end },
  { "a source of three bytes at a time", function(text) return in_pieces(text, 3) end },
  { "a Message", as_message },
}

-- What went out between 354 and the reply.
local function content_of(sent)
  local content = sent:match("DATA\r\n(.*)$")
  return content:match("^(.*\r\n%.\r\n)QUIT\r\n$") or content
end

describe("DATA emits only CRLF and stuffs every line-initial dot:", function()
  for _, form in ipairs(forms) do
    for _, mark in ipairs(ends) do
      it(("%q in %s"):format(mark, form[1]), function()
        for _, text in ipairs { "Subject: x\n\nhi" .. mark .. smuggled, mark .. smuggled, mark, "hi" .. mark:sub(1, -2) } do
          local server, peer = wire.connect {}
          assert.same({}, (server:sendmail("a@example.org", "b@example.org", form[2](text))))
          assert.equal(1, #peer.messages)
          local content = content_of(peer.sent)
          assert.is_nil(content:gsub("\r\n", ""):find("[\r\n]"), "a bare CR or LF")
          assert.equal(1, select(2, ("\r\n" .. content):gsub("\r\n%.\r\n", "")))
          assert.equal(".\r\n", content:sub(-3))
          local rcpts = 0
          for _, line in ipairs(peer:commands()) do rcpts = rcpts + (line:find("^RCPT") and 1 or 0) end
          assert.equal(1, rcpts)
        end
      end)
    end
  end

  it("data, quotedata and the body of send_messages as well", function()
    for _, mark in ipairs(ends) do
      local text = "x" .. mark .. "y"
      local server, peer = wire.connect {}
      assert.equal(250, (server:mail("a@example.org")))
      assert.equal(250, (server:rcpt("b@example.org")))
      assert.equal(250, (server:data(text)))
      assert.is_table((server:send_messages { { from = "a@example.org", to = "b@example.org", message = text } }))
      assert.equal(2, #peer.messages)
      assert.equal(2, select(2, ("\r\n" .. peer.sent):gsub("\r\n%.\r\n", "")))
      assert.is_nil(("\r\n" .. smtplib.quotedata(text)):find("\r\n.\r\n", 1, true))
    end
  end)
end)

describe("If a source fails in mid-body, the connection is cut without the final dot:", function()
  local sources = {
    { "returns nil, err", function(n) if n > 2 then return nil, "broken" end return "line\r\n.\r\n" end },
    { "raises", function(n) if n > 2 then error("broken") end return "line\r\n.\r\n" end },
    { "returns a table", function(n) if n > 2 then return {} end return "line\r\n.\r\n" end },
  }
  for _, case in ipairs(sources) do
    it("one that " .. case[1], function()
      local server, peer = wire.connect {}
      local n = 0
      local refused, err = server:sendmail("a@example.org", "b@example.org", function()
        n = n + 1
        return case[2](n)
      end)
      assert.is_nil(refused)
      assert.equal("none", err.delivery)
      assert.is_false(server:is_open())
      assert.is_nil(("\r\n" .. peer.sent):find("\r\n.\r\n", 1, true))
      assert.is_nil(peer.sent:find("QUIT", 1, true))
      assert.is_nil(peer.sent:find("broken", 1, true))
      assert.equal(0, #peer.messages)
    end)
  end
end)

describe("What happens after the final reply cannot turn success into failure:", function()
  it("a server that closes instead of answering QUIT has taken the message", function()
    local server, peer = wire.connect { disconnect = { QUIT = true } }
    assert.same({}, (server:sendmail("a@example.org", "b@example.org", "hi")))
    server:quit()
    assert.equal(1, #peer.messages)
  end)
end)
