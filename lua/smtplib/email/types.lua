-- Content types by the extension of a file's name. What people attach is in the
-- table here, so that it has the same type everywhere; for other extensions the
-- system is asked: /etc/mime.types, read when the first of them comes up.

local core = require "smtplib.core"

local message = core.message

local types = {
  ["7z"] = "application/x-7z-compressed", aac = "audio/aac", avif = "image/avif",
  bin = "application/octet-stream", bmp = "image/bmp", bz2 = "application/x-bzip2",
  css = "text/css", csv = "text/csv", doc = "application/msword",
  docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  eml = "message/rfc822", eps = "application/postscript", epub = "application/epub+zip",
  flac = "audio/flac", gif = "image/gif", gz = "application/gzip", heic = "image/heic",
  htm = "text/html", html = "text/html", ico = "image/vnd.microsoft.icon", ics = "text/calendar",
  jpe = "image/jpeg", jpeg = "image/jpeg", jpg = "image/jpeg", js = "text/javascript",
  json = "application/json", log = "text/plain", lua = "text/x-lua", m4a = "audio/mp4",
  md = "text/markdown", mkv = "video/x-matroska", mov = "video/quicktime", mp3 = "audio/mpeg",
  mp4 = "video/mp4", mpeg = "video/mpeg", odp = "application/vnd.oasis.opendocument.presentation",
  ods = "application/vnd.oasis.opendocument.spreadsheet", odt = "application/vnd.oasis.opendocument.text",
  oga = "audio/ogg", ogg = "audio/ogg", ogv = "video/ogg", opus = "audio/opus",
  otf = "font/otf", p7m = "application/pkcs7-mime", p7s = "application/pkcs7-signature",
  pdf = "application/pdf", png = "image/png", ppt = "application/vnd.ms-powerpoint",
  pptx = "application/vnd.openxmlformats-officedocument.presentationml.presentation",
  ps = "application/postscript", rar = "application/vnd.rar", rtf = "application/rtf",
  svg = "image/svg+xml", tar = "application/x-tar", tgz = "application/gzip", tif = "image/tiff",
  tiff = "image/tiff", ttf = "font/ttf", txt = "text/plain", vcf = "text/vcard", wav = "audio/wav",
  webm = "video/webm", webp = "image/webp", woff = "font/woff", woff2 = "font/woff2",
  xhtml = "application/xhtml+xml", xls = "application/vnd.ms-excel",
  xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  xml = "application/xml", yaml = "application/yaml", yml = "application/yaml",
  zip = "application/zip", zst = "application/zstd",
}

local M = {}

--- Where the system lists types: on each line a type, and the extensions that have
--- it. What is assigned is read when an extension is unknown next.
M.system = "/etc/mime.types"

local listed, listed_in

local function read(path)
  local found = {}
  local file = io.open(path, "rb")
  -- A directory opens, and its read fails.
  local text = file and file:read("*a") or ""
  if file then file:close() end
  for line in text:gmatch("[^\r\n]+") do
    local kind, extensions = line:match("^%s*([^#%s]+)%s+([^#]*)")
    for extension in (extensions or ""):gmatch("%S+") do
      extension = extension:lower()
      found[extension] = found[extension] or kind:lower()
    end
  end
  return found
end

local function ask_system(extension)
  if listed_in ~= M.system then listed, listed_in = read(M.system), M.system end
  return listed[extension]
end

-- What has parts, or is a message, goes as data: such types allow no base64.
local function is_plain_type(kind)
  return message.is_type(kind) and not kind:find("^message/") and not kind:find("^multipart/")
end

--- The type that a file name suggests.
---@param name string|nil
---@return string # "application/octet-stream" when nothing is known
function M.guess(name)
  local extension = name and name:match("%.([%w_+-]+)$")
  extension = extension and extension:lower()
  local guessed = extension and (types[extension] or ask_system(extension))
  return guessed and is_plain_type(guessed) and guessed or "application/octet-stream"
end

--- The last part of a path.
---@param path string
---@return string
function M.basename(path)
  return path:match("([^/\\]+)[/\\]*$") or path
end

return M
