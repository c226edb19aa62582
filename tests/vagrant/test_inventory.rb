# frozen_string_literal: true

require "minitest/autorun"
require "tmpdir"
require_relative "../../providers/vagrant/boxes"
require_relative "../../providers/vagrant/inventory"

# The Vagrantfile has no machine of its own: what is wrong with the inventory is told here.
class TestInventory < Minitest::Test
  LAB = File.expand_path("../../inventory/lab", __dir__)

  def inventory(text, **options)
    Dir.mktmpdir do |folder|
      File.write(File.join(folder, "hosts.yml"), text)
      Lab::Inventory.new(folder, **options)
    end
  end

  def hosts(*lines, vars: "{lab_subnet: 172.20.0}")
    "all:\n  vars: #{vars}\n  children:\n    redis:\n      hosts:\n#{lines.map { |line| "        #{line}\n" }.join}"
  end

  def refused(text, words, **options)
    problem = assert_raises(Lab::Problem) { inventory(text, **options) }
    assert_includes problem.message, words
  end

  def test_the_lab_is_read
    lab = Lab::Inventory.new(LAB)
    assert_equal lab.machines.map(&:name), lab.machines.map(&:name).uniq
    assert lab.machines.all? { |machine| lab.network.include?(machine.address) }
    assert_equal %w[clients], lab.machines.last.tiers
  end

  def test_another_subnet_moves_every_machine
    moved = Lab::Inventory.new(LAB, subnet: "192.168.56").machines.map(&:address)
    assert_equal Lab::Inventory.new(LAB).machines.map { |machine| machine.address.sub("172.20.0", "192.168.56") }, moved
  end

  def test_a_machine_has_what_the_inventory_says
    machine, = inventory(hosts("r: {ansible_host: 172.20.0.9, memory_mb: 700, cpus: 2}")).machines
    assert_equal ["r", "172.20.0.9", 700, 2, ["redis"]], machine.to_a
  end

  def test_a_machine_in_two_groups_is_one
    text = "#{hosts('r: {ansible_host: 172.20.0.9}')}    other:\n      hosts:\n        r:\n"
    assert_equal [%w[redis other]], inventory(text).machines.map(&:tiers)
  end

  def test_what_is_wrong_is_told_with_its_place
    refused(hosts("r:"), "hosts.yml: r: `` is no address in 172.20.0.0/24")
    refused(hosts("r: {ansible_host: 172.20.1.9}"), "r: `172.20.1.9` is no address in 172.20.0.0/24")
    refused(hosts("r: {ansible_host: 172.20.0.900}"), "r: `172.20.0.900` is no address")
    refused(hosts("r: {ansible_host: 172.20.0.9, memory_mb: much}"), "r: memory_mb cannot be `much`")
    twice = hosts("r: {ansible_host: 172.20.0.9}", "s: {ansible_host: 172.20.0.9}")
    refused(twice, "r and s have the same address 172.20.0.9")
    refused(hosts("r: {ansible_host: 172.20.0.9}", vars: "{}"), "has no lab_subnet")
    refused(hosts("r: {ansible_host: 172.20.0.9}"), "`56` is not the first three numbers", subnet: "56")
    refused("all:\n  vars: {lab_subnet: 172.20.0}\n", "has no machines")
    refused("all: [\n", "is no YAML")
    refused("nothing\n", "is not an inventory")
    problem = assert_raises(Lab::Problem) { Lab::Inventory.new("nowhere/hosts.yml") }
    assert_includes problem.message, "nowhere/hosts.yml: is not there"
  end
end

# One box for each Debian, provider and processor.
class TestBoxes < Minitest::Test
  PROVIDERS = %w[virtualbox libvirt vmware_desktop parallels].freeze

  def test_each_has_a_box_of_one_version
    %w[trixie bookworm].product(PROVIDERS, %w[amd64 arm64]) do |choice|
      box = Lab::Boxes.choose(*choice)
      assert_match(/\A\d+\.\d+\.\d+\z/, "#{box.version}.0"[/\A\d+\.\d+\.\d+/], choice.inspect)
      assert_includes box.name, "/"
    end
  end

  def test_another_box_takes_its_place
    assert_equal Lab::Box.new("my/box", nil, "amd64"), Lab::Boxes.choose("trixie", "libvirt", "amd64", own: "my/box")
  end

  def test_an_unknown_one_is_refused_with_the_known
    problem = assert_raises(Lab::Problem) { Lab::Boxes.choose("sid", "libvirt", "amd64") }
    assert_includes problem.message, "LAB_RELEASE=trixie or LAB_RELEASE=bookworm"
    problem = assert_raises(Lab::Problem) { Lab::Boxes.choose("trixie", "hyperv", "amd64") }
    assert_includes problem.message, "LAB_BOX="
  end

  def test_processors_are_named_as_boxes_name_them
    assert_equal %w[arm64 arm64 amd64 amd64], %w[aarch64 arm64 x86_64 x64].map { |cpu| Lab::Boxes.architecture(cpu) }
  end
end
