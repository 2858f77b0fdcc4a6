-- Reads multipart/form-data (RFC 7578) as browsers send it. The header of a part is
-- read by smtplib.email; its content is cut out by its delimiters and stays as it is,
-- whatever type it claims to have.
local email = require "smtplib.email"

local form = {}

local MAX_PARTS = 50

-- A header block as a message, whose parameters can be asked for.
local function header(text)
  return email.message_from_string(text .. "\r\n\r\n")
end

---@class Part
---@field content string
---@field filename string? # as the visitor's file is called, without folders

-- Browsers write quotation marks as "%22" (HTML, 4.10.21.8), and a few the folders.
local function name_of_file(fields)
  local name = fields:get_filename()
  return name and (name:match("[^/\\]*$"):gsub("%%22", '"'))
end

local function part_of(text)
  local head, content = text:match("^\r\n(.-)\r\n\r\n(.*)$")
  if not head then return nil end
  local fields = header(head)
  local name = fields:get_param("name", nil, "content-disposition")
  if fields:get_content_disposition() ~= "form-data" or not name then return nil end
  return name, { content = content, filename = name_of_file(fields) }
end

-- The texts between the delimiters, or nil when the last delimiter is missing.
local function cut(body, boundary)
  local delimiter, texts = "\r\n--" .. boundary, {}
  body = "\r\n" .. body
  local _, last = body:find(delimiter, 1, true)
  while last and body:sub(last + 1, last + 2) ~= "--" do
    local first, next_last = body:find(delimiter, last + 1, true)
    if not first or #texts == MAX_PARTS then return nil end
    texts[#texts + 1] = body:sub(last + 1, first - 1)
    last = next_last
  end
  return last and texts
end

---The parts of a request's body by their names; of several with one name the first.
---@param content_type string? # of the request
---@param body string
---@return table<string, Part>? parts
---@return string? why not
function form.parse(content_type, body)
  local kind = header("Content-Type: " .. (content_type or ""):gsub("[%c]", " "))
  local boundary = kind:get_boundary()
  if kind:get_content_type() ~= "multipart/form-data" or not boundary then return nil, "not multipart/form-data" end
  local texts = cut(body, boundary)
  if not texts then return nil, "parts that do not end, or too many" end
  local parts = {}
  for _, text in ipairs(texts) do
    local name, part = part_of(text)
    if not name then return nil, "a part without a name" end
    parts[name] = parts[name] or part
  end
  return parts
end

return form
