# frozen_string_literal: true

require "fileutils"
require "minitest/autorun"
require "tmpdir"
require_relative "../../providers/vagrant/inventory"
require_relative "../../providers/vagrant/preflight"

# The preflight of made-up computers: their files and the output of their commands.
class TestPreflight < Minitest::Test
  HEADER = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
  LAB = ["172.20.0.0", "255.255.255.0"].freeze
  DHCP_SERVER = <<~TEXT
    NetworkName:    HostInterfaceNetworking-vboxnet0
    Dhcpd IP:       192.168.56.100
    Enabled:        Yes
  TEXT
  EVERYTHING = Lab::Preflight::ALTERNATIVES.map { |subnet| ["vpn0", "#{subnet}.0", "255.255.255.0"] }.freeze

  def setup
    @root = Dir.mktmpdir
    @commands = { "VBoxManage --version" => "7.0.20r163906\n" }
    memory(megabytes: 16_000)
    routes
  end

  def teardown
    FileUtils.remove_entry(@root)
  end

  # Writes a file of that computer.
  def write(path, text)
    FileUtils.mkdir_p(File.join(@root, File.dirname(path)))
    File.write(File.join(@root, path), text)
  end

  def memory(megabytes:)
    write("proc/meminfo", "MemTotal: 99999999 kB\nMemAvailable: #{megabytes * 1024} kB\n")
  end

  # Each line: interface, network, mask, and optionally flags in hexadecimal.
  def routes(*lines)
    hex = ->(address) { address.split(".").reverse.map { |number| format("%02X", number.to_i) }.join }
    rows = lines.map do |interface, network, mask, flags|
      "#{[interface, hex.(network), '00000000', flags || '0001', 0, 0, 0, hex.(mask), 0, 0, 0].join("\t")}\n"
    end
    write("proc/net/route", HEADER + rows.join)
  end

  def problems(provider: "virtualbox", subnet: "172.20.0", memory_mb: [512] * 10, system: "linux-gnu", first: true,
               **details)
    machines = memory_mb.map.with_index(100) do |size, last|
      Lab::Machine.new(name: "m#{last}", address: "#{subnet}.#{last}", memory_mb: size)
    end
    run = ->(*command) { @commands[command.join(" ")] }
    computer = Lab::Computer.new(root: @root, system: system, run: run)
    details = { provider: provider, subnet: subnet, machines: machines, computer: computer, **details }
    preflight = Lab::Preflight.new(**details)
    preflight.problems(first: first)
  end

  def test_virtualbox_allows_only_its_own_range_by_default
    problem, = problems
    assert_includes problem, "VirtualBox blocks 172.20.0.0/24 until you allow it. Allowed now: 192.168.56.0/21."
    assert_includes problem, "\n* 192.168.56.0/21\n* 172.20.0.0/24\n"
    assert_includes problem, "LAB_SUBNET=192.168.57 vagrant up"
  end

  def test_the_proposed_lines_help
    lines = problems.first.lines.grep(/^\*/)
    assert_equal 2, lines.size
    write("etc/vbox/networks.conf", lines.join)
    assert_empty problems
    assert_empty problems(subnet: "192.168.57")
  end

  def test_the_proposed_subnet_helps
    @commands["VBoxManage list dhcpservers"] = DHCP_SERVER
    assert_empty problems(subnet: problems.first[/LAB_SUBNET=(\S+)/, 1])
  end

  def test_the_file_replaces_the_default_range
    write("etc/vbox/networks.conf", "* 10.0.0.0/8 2001::/64\n")
    assert_includes problems.first, "Allowed now: 10.0.0.0/8, 2001::/64."
    assert_includes problems.first, "LAB_SUBNET=10.20.30 vagrant up"
    refute_empty problems(subnet: "192.168.57")
  end

  def test_a_wider_range_is_enough
    write("etc/vbox/networks.conf", "# everything\n\n* 0.0.0.0/0 ::/0\n")
    assert_empty problems
  end

  def test_a_narrower_range_is_not
    write("etc/vbox/networks.conf", "* 172.20.0.0/25\n")
    refute_empty problems
  end

  def test_a_line_that_virtualbox_does_not_understand_is_shown
    ["172.20.0.0/24", "* 172.20.0.0-24", "* the lab"].each do |line|
      write("etc/vbox/networks.conf", "# ours\n#{line}\n")
      assert_includes problems.first, "is not a range of networks: #{line}\n"
    end
  end

  def test_other_versions_and_systems_do_not_restrict
    assert_empty problems(system: "mingw32")
    assert_empty problems(system: "darwin22")
    @commands["VBoxManage --version"] = "6.1.26r145957\n"
    assert_empty problems
  end

  def test_virtualbox_six_on_macos_restricts
    @commands["VBoxManage --version"] = "6.1.28r147628\n"
    refute_empty problems(system: "darwin22")
  end

  def test_a_machine_at_the_address_of_virtualboxs_dhcp_server
    other = "NetworkName:    other\nIP:    10.0.0.100\nEnabled:   Yes\n"
    @commands["VBoxManage list dhcpservers"] = "#{DHCP_SERVER}\n#{other}"
    problem, = problems(subnet: "192.168.56", first: false)
    assert_includes problem, "192.168.56.100, the address of m100"
    assert_includes problem, "VBoxManage dhcpserver remove --netname \"HostInterfaceNetworking-vboxnet0\"\n"
    assert_empty problems(subnet: "192.168.57")
    @commands["VBoxManage list dhcpservers"] = DHCP_SERVER.sub("Yes", "No")
    assert_empty problems(subnet: "192.168.56")
  end

  def test_other_providers_do_not_restrict
    assert_empty problems(provider: "libvirt")
  end

  def test_a_network_in_use_is_named_with_its_interface
    [LAB, ["172.16.0.0", "255.240.0.0"], ["172.20.0.128", "255.255.255.128"]].each do |network|
      routes(["tun0", *network])
      problem, = problems(provider: "libvirt")
      assert_includes problem, "172.20.0.0/24 is in use on this computer: interface tun0 has #{network.first}/"
      assert_includes problem, "LAB_SUBNET=192.168.57 vagrant up"
    end
  end

  def test_the_remedy_is_a_network_that_is_free
    routes(["tun0", *LAB], ["vboxnet0", "192.168.57.0", "255.255.255.0"])
    assert_includes problems(provider: "libvirt").first, "LAB_SUBNET=10.20.30 vagrant up"
    routes(*EVERYTHING)
    refute_includes problems(provider: "libvirt").first, "LAB_SUBNET"
  end

  def test_docker_is_named
    routes(["br-1a2b3c4d5e6f", *LAB])
    @commands["docker network ls --no-trunc --format={{.ID}} {{.Name}}"] = "99 other\n1a2b3c4d5e6f7890 shop_default\n"
    assert_includes problems(provider: "libvirt").first, "of Docker (docker network rm shop_default removes it)"
  end

  def test_another_bridge_is_not_called_dockers
    routes(["br-lan", *LAB])
    refute_includes problems(provider: "libvirt").first, "Docker"
  end

  def test_the_containers_are_named
    routes(["podman1", *LAB])
    assert_includes problems(provider: "libvirt").first, "The container lab is up with the same addresses"
    assert_includes problems(provider: "libvirt").first, "make down"
  end

  def test_these_routes_are_no_collision
    routes(["eth0", "0.0.0.0", "0.0.0.0"], ["tun0", "0.0.0.0", "128.0.0.0"], ["eth0", "192.0.2.0", "255.255.255.0"],
           ["*", "172.16.0.0", "255.240.0.0", "0201"])
    assert_empty problems(provider: "libvirt")
  end

  def test_the_labs_own_interfaces_are_no_collision
    left = { "virtualbox" => "vboxnet0", "libvirt" => "virbr1" }
    left.each do |provider, own|
      routes([own, *LAB])
      write("etc/vbox/networks.conf", "* 172.20.0.0/24\n")
      @commands["virsh --connect=qemu:///system net-info revezamento-172.20.0"] = "Name: x\nBridge:         virbr1\n"
      assert_empty problems(provider: provider), provider
    end
    routes(["virbr2", *LAB])
    refute_empty problems(provider: "libvirt")
  end

  def test_too_little_memory_is_reported_in_numbers
    memory(megabytes: 2000)
    problem, = problems(provider: "libvirt", memory_mb: [512] * 10)
    assert_includes problem, "10 machines need 5760 MB of memory, and this computer has 2000 MB free."
    assert_empty problems(provider: "libvirt", memory_mb: [512])
  end

  def test_emulated_machines_need_more
    memory(megabytes: 8000)
    assert_empty problems(provider: "libvirt")
    assert_includes problems(provider: "libvirt", emulated: true).first, "10 machines need 17620 MB of memory"
  end

  def test_existing_machines_have_their_network_and_memory
    memory(megabytes: 100)
    routes(["tun0", *LAB])
    assert_empty problems(provider: "libvirt", first: false)
    refute_empty problems(first: false) # VirtualBox checks at every boot
  end

  def test_all_problems_are_reported_at_once
    memory(megabytes: 100)
    routes(["tun0", *LAB])
    assert_equal 3, problems.size
  end

  def test_this_computer_can_be_checked
    assert_kind_of Array, Lab::Preflight.new(provider: "libvirt", subnet: "172.20.0", machines: []).problems
    assert_equal "here\n", Lab::Computer.new.output_of("echo", "here")
    assert_empty Lab::Computer.new.output_of("no-such-command")
    assert_empty Lab::Computer.new.output_of("sh", "-c", "echo here; false")
  end
end
