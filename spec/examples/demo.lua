-- `make demo`: start a mail server, send it a message with an attachment over
-- STARTTLS, show what arrived and whether it is what was sent. Everything here
-- is the public interface; the server is the one that comes with the library.
local smtplib = require "smtplib"

local FROM, TO = "ada@example.org", "charles@example.org"

-- Every byte value, so that whatever touches line ends or charsets shows.
local function every_byte()
  local bytes = {}
  for value = 0, 255 do bytes[#bytes + 1] = string.char(value) end
  return table.concat(bytes):rep(8)
end

-- The bytes of the base64 part that follows `name` in a message, found without
-- the library's own parser.
local function attachment_of(data, name)
  local start = data:find('filename="?' .. name:gsub("%p", "%%%0"))
  local lines = start and data:match("\r\n\r\n([%w+/=\r\n]+)\r\n%-%-", start)
  return lines and smtplib.base64.decode((lines:gsub("%s", "")))
end

local function indent(text)
  return "    " .. text:gsub("\r\n$", ""):gsub("\r\n", "\n    ")
end

-- The first lines of a long part are enough to see.
local function shortened(data)
  local shown, kept = {}, 0
  for line in (data:gsub("\r\n$", "") .. "\r\n"):gmatch("(.-)\r\n") do
    kept = #line >= 70 and not line:find(" ", 1, true) and kept + 1 or 0
    if kept < 3 then shown[#shown + 1] = line end
    if kept == 3 then shown[#shown + 1] = "[…]" end
  end
  return table.concat(shown, "\r\n")
end

local function send(sink, attachment)
  local message = smtplib.assert(smtplib.email.Message {
    from = "Ada Lovelace <" .. FROM .. ">",
    to = "Charles Babbage <" .. TO .. ">",
    subject = "Grüße from smtplib",
    text = "Dear Charles,\n\nhere are all the bytes there are.\n.\nAda\n",
    attachments = { { content = attachment, filename = "bytes.bin" } },
  })
  local server = smtplib.assert(smtplib.SMTP {
    host = sink.host, port = sink.port, tls = "starttls", tls_options = { cafile = sink.cafile },
  })
  local refused = smtplib.assert(server:send_message(message))
  smtplib.assert(server:quit())
  return refused
end

local function judge(arrived, refused, attachment)
  local verdicts = {
    { "nobody was refused", next(refused) == nil },
    { "encrypted: " .. tostring(arrived.tls), arrived.tls and true or false },
    { "envelope: " .. arrived.from .. " to " .. arrived.to[1].addr,
      arrived.from == FROM and #arrived.to == 1 and arrived.to[1].addr == TO },
    { "line ends are CRLF throughout",
      arrived.findings.bare_lf == 0 and arrived.findings.bare_cr == 0 },
    { ("attachment: %d bytes, as they were sent"):format(#attachment),
      attachment_of(arrived.data, "bytes.bin") == attachment },
  }
  local fine = true
  for _, verdict in ipairs(verdicts) do
    print((verdict[2] and "  ok    " or "  WRONG ") .. verdict[1])
    fine = fine and verdict[2]
  end
  return fine
end

local sink = smtplib.assert(smtplib.sink.start { tls = "starttls" })
print(("a mail server listens on %s, port %d\n"):format(sink.host, sink.port))

local attachment = every_byte()
local refused = send(sink, attachment)
local arrived = smtplib.assert(sink:wait(1, 10))[1]
sink:stop()

print("this is what arrived:\n")
print(indent(shortened(arrived.data)))
print("")
local fine = judge(arrived, refused, attachment)
print(fine and "\nthe demo worked" or "\nthe demo FAILED")
os.exit(fine and 0 or 1)
