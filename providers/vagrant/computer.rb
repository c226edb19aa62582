# frozen_string_literal: true

require "ipaddr"
require "open3"
require "rbconfig"
require "socket"

module Lab
  # This computer, as far as the preflight asks it: files, commands, networks, memory.
  class Computer
    REJECTED = 0x200 # RTF_REJECT: a route that leads nowhere, so nobody lives there

    # What a command prints; nil where it fails, or is not installed.
    SHELL = lambda do |*command|
      printed, status = Open3.capture2(*command, err: File::NULL)
      printed if status.success?
    rescue SystemCallError
      nil
    end

    # root: where its files are; run: how commands are run; system: linux, darwin or windows, as Ruby calls them.
    def initialize(root: "/", run: SHELL, system: RbConfig::CONFIG["host_os"])
      @root, @run, @system = root, run, system
    end

    # The lines of a file; nil where there is none.
    def lines(path)
      path = File.join(@root, path)
      File.readlines(path, chomp: true) if File.exist?(path)
    end

    # What a command prints; "" where it fails, or is not installed.
    def ask(*command)
      @run.call(*command).to_s
    end

    def windows?
      @system.match?(/mswin|mingw|windows/)
    end

    def macos?
      @system.include?("darwin")
    end

    # In MB; nil where nobody tells.
    def free_memory_mb
      available = lines("proc/meminfo")&.find { |line| line.start_with?("MemAvailable:") }
      return available.split[1].to_i / 1024 if available

      ask("sysctl", "-n", "hw.memsize").to_i / 1024**2 if macos?
    end

    # [name of an interface, its network], for each network: Linux' routes, elsewhere the interfaces' addresses.
    def networks
      routes = lines("proc/net/route") || (return interfaces)
      routes.drop(1).map(&:split).filter_map do |name, destination, _, flags, _, _, _, mask|
        length = address(mask).to_i.to_s(2).count("1")
        next if length <= 1 || flags.hex.anybits?(REJECTED) # everything, also in two halves, as VPNs write it

        [name, address(destination).mask(length)]
      end
    end

    private

    # The kernel writes addresses as it keeps them: the last number first.
    def address(hex)
      IPAddr.new([hex].pack("H*").unpack("C4").reverse.join("."))
    end

    def interfaces
      Socket.getifaddrs.filter_map do |interface|
        next unless interface.addr&.ipv4? && interface.netmask

        [interface.name, IPAddr.new("#{interface.addr.ip_address}/#{interface.netmask.ip_address}")]
      end
    end
  end
end
